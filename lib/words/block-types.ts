// The public types of transaction blocks and their hooks.
import type { Knex } from 'knex';

export type Awaitable<T> = T | PromiseLike<T>;

/** What every transaction hook gets: one frozen object. */
export interface TransactionHookContext {
  readonly trx: Knex.Transaction;
  readonly id: string;
  readonly label: string | undefined;
  /** 1 is the outermost block. */
  readonly depth: number;
  readonly attempt: number;
  readonly error: unknown;
  readonly fatal: boolean;
}

/**
 * Hooks of a transaction block: awaited, one after the other, in the order in which they were registered over the whole transaction.
 * Those registered inside a savepoint are dropped when it is undone; those of a failed attempt are dropped with it.
 */
export interface TransactionHooks {
  /** In the transaction, right after BEGIN or SAVEPOINT. */
  afterBegin?(context: TransactionHookContext): Awaitable<unknown>;
  /** In the transaction, before the outermost COMMIT; throwing rolls back. */
  beforeCommit?(context: TransactionHookContext): Awaitable<unknown>;
  /** After the outermost COMMIT was confirmed; throwing leads to `AfterCommitError`, never to a ROLLBACK. */
  afterCommit?(context: TransactionHookContext): Awaitable<unknown>;
  /** After a rollback; `context.error` says why. Of a nested block: at its own rollback. */
  afterRollback?(context: TransactionHookContext): Awaitable<unknown>;
  /** Once a transaction, before it is rolled back or its connection discarded. */
  onFatal?(context: TransactionHookContext): Awaitable<unknown>;
  /** Before the next attempt of a retried block. */
  onRetry?(context: TransactionHookContext): Awaitable<unknown>;
  /** COMMIT was sent and its outcome is unknown. */
  afterUnknown?(context: TransactionHookContext): Awaitable<unknown>;
}

export interface RetryOptions {
  /** In all, the first one included. */
  attempts: number;
  /** @default 10 */
  minDelayMillis?: number | undefined;
  /** @default 1000 */
  maxDelayMillis?: number | undefined;
  /** Whether this error is worth another attempt; by default 40001, 40P01 and a connection lost before COMMIT was sent. */
  when?: ((error: unknown, attempt: number) => boolean) | undefined;
}

export interface AtomicOptions {
  /** Shown in errors, reports and `connectionState()`. */
  label?: string | undefined;
  isolationLevel?: Knex.IsolationLevels | undefined;
  readOnly?: boolean | undefined;
  deferrable?: boolean | undefined;
  /** Must be outermost (a sandbox does not count), else `DurableError` before any SQL. */
  durable?: boolean | undefined;
  /**
   * `false` joins the outer block: its failure dooms the outer one.
   * @default true
   */
  savepoint?: boolean | undefined;
  /** Past it the running statement is cancelled, the block rolled back and rejected with `TransactionTimeoutError`. */
  timeoutMillis?: number | undefined;
  /** Once aborted, the block is rolled back and rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Outermost blocks only; a number is `attempts`. */
  retry?: number | RetryOptions | undefined;
  /** PostgreSQL 13 and later: find out on a new connection what became of a lost COMMIT. */
  verifyCommit?: boolean | undefined;
  hooks?: TransactionHooks | undefined;
}

export type Atomic = <T>(block: (trx: AtomicTransaction) => Awaitable<T>, options?: AtomicOptions) => Promise<T>;
export type TransactionHook = (context: TransactionHookContext) => Awaitable<unknown>;

/** The handle that a block gets: a Knex transaction whose end belongs to the block. */
export interface AtomicTransaction extends Knex.Transaction {
  /** A block inside this one: a savepoint. */
  atomic: Atomic;
  /** Registers a hook that runs before the outermost COMMIT. */
  beforeCommit(hook: TransactionHook): void;
  /** Registers a hook that runs after the outermost COMMIT was confirmed. */
  afterCommit(hook: TransactionHook): void;
  /** Registers a hook that runs after this work was rolled back. */
  afterRollback(hook: TransactionHook): void;
  /** 1, 2, … */
  readonly attempt: number;
}
