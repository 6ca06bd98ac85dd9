// The public types of transaction hooks.
import type { Knex } from 'knex';

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/**
 * What every transaction hook gets: one frozen object.
 * @see docs/transactions.md#hooks
 */
export interface TransactionHookContext {
  /**
   * The transaction. In `beforeCommit` it takes queries: for a hook of an inner block, which has ended by then, it is the one around it that
   * is open. In `afterCommit` and `afterRollback` it is finished: send queries with the instance.
   */
  readonly trx: Knex.Transaction;
  /** Knex's id of the transaction (`trx12`). */
  readonly id: string;
  /** The label of the block. */
  readonly label: string | undefined;
  /** 1 is the outermost block. */
  readonly depth: number;
  /** Which attempt of a retried block this is: 1, 2, … */
  readonly attempt: number;
  /** Why the transaction failed; `undefined` where it did not. */
  readonly error: unknown;
  /** Whether the error ended the connection. */
  readonly fatal: boolean;
}

/**
 * Hooks of a transaction. They run one after the other, in the order of registration in the whole transaction, and each is awaited.
 * When a savepoint is undone or an attempt fails, the hooks that were registered in it are dropped.
 * @see docs/transactions.md#hooks
 */
export interface TransactionHooks {
  /**
   * Runs in the transaction, right after BEGIN or SAVEPOINT.
   * @example
   * { afterBegin: ({ trx }) => trx.raw("set local app.user = 'ann'") }
   */
  afterBegin?(context: TransactionHookContext): Awaitable<unknown>;
  /**
   * Runs in the transaction, before the outermost COMMIT. If it throws, the transaction rolls back.
   * @example
   * { beforeCommit: ({ trx }) => trx('outbox').insert({ topic: 'orders' }) }
   */
  beforeCommit?(context: TransactionHookContext): Awaitable<unknown>;
  /**
   * Runs after the outermost COMMIT was confirmed. If it throws, the block rejects with `AfterCommitError`; the data is stored.
   * @example
   * { afterCommit: () => cache.clear() }
   */
  afterCommit?(context: TransactionHookContext): Awaitable<unknown>;
  /**
   * Runs after a rollback; `context.error` says why. For an inner block it runs after the rollback to its savepoint.
   * @example
   * { afterRollback: ({ label, error }) => log.warn(label, error) }
   */
  afterRollback?(context: TransactionHookContext): Awaitable<unknown>;
  /**
   * Runs once for each transaction that lost its connection, before the connection is discarded.
   * @example
   * { onFatal: ({ error }) => metrics.count('lost-connection') }
   */
  onFatal?(context: TransactionHookContext): Awaitable<unknown>;
  /**
   * Runs before the next attempt of a retried block.
   * @example
   * { onRetry: ({ attempt, error }) => log.info(attempt, error) }
   */
  onRetry?(context: TransactionHookContext): Awaitable<unknown>;
  /**
   * Runs when COMMIT was sent and its outcome is unknown.
   * @example
   * { afterUnknown: ({ label }) => alarm(label) }
   */
  afterUnknown?(context: TransactionHookContext): Awaitable<unknown>;
}

/** A hook of a transaction. */
export type TransactionHook = (context: TransactionHookContext) => Awaitable<unknown>;
