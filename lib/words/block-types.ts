// The public types of transaction blocks. Those of hooks are in a file of their own.
import type { Knex } from 'knex';
import type { Awaitable, TransactionHook, TransactionHooks } from './hook-types';

export type { Awaitable, TransactionHook, TransactionHookContext, TransactionHooks } from './hook-types';

/**
 * How a block is run again.
 * @see docs/transactions.md#retry-and-verifycommit
 */
export interface RetryOptions {
  /** How often in all, with the first time. */
  attempts: number;
  /**
   * The delay before the second attempt, in milliseconds. Delays grow exponentially; each is a random share of the full delay.
   * @default 10
   */
  minDelayMillis?: number | undefined;
  /**
   * The longest delay, in milliseconds.
   * @default 1000, or `minDelayMillis` where that is longer
   */
  maxDelayMillis?: number | undefined;
  /**
   * Whether this error is worth another attempt.
   * @default 40001, 40P01, and a connection that was lost before COMMIT was sent
   */
  when?: ((error: unknown, attempt: number) => boolean) | undefined;
}

/**
 * Options of a block.
 * @see docs/transactions.md#options-of-a-block
 */
export interface AtomicOptions {
  /**
   * A name that is shown in errors, reports and `connectionState()`.
   * @default none
   */
  label?: string | undefined;
  /**
   * The isolation level, as for `knex.transaction`.
   * @default the server's
   */
  isolationLevel?: Knex.IsolationLevels | undefined;
  /**
   * Whether the transaction is read-only. `false` asks for one that writes where the session's default is read-only. `true` is a
   * `TypeError` where knex ignores it: SQLite, SQL Server, Oracle.
   * @default the server's
   */
  readOnly?: boolean | undefined;
  /**
   * Begins the transaction `[NOT] DEFERRABLE`. PostgreSQL only.
   * @default the server's
   */
  deferrable?: boolean | undefined;
  /**
   * Whether the block must be outermost. Inside another transaction it rejects with `DurableError` before any SQL. A sandbox does not count.
   * @default false
   */
  durable?: boolean | undefined;
  /**
   * `false` joins the outer block without a savepoint. If this block fails, the outer one cannot commit.
   * @default true
   */
  savepoint?: boolean | undefined;
  /**
   * The time limit of the block, in milliseconds. After it the running statement is cancelled, the block is rolled back, and it
   * rejects with `TransactionTimeoutError`. `Infinity` lifts the `transactionTimeoutMillis` of the instance.
   * @default off
   */
  timeoutMillis?: number | undefined;
  /**
   * When it is aborted, the block is rolled back and rejects with the signal's reason.
   * @default none
   */
  signal?: AbortSignal | undefined;
  /**
   * Runs the outermost block again after a real rollback. A number is `attempts`.
   * @default off
   */
  retry?: number | RetryOptions | undefined;
  /**
   * Whether to find out on a new connection what became of a COMMIT whose answer was lost. PostgreSQL 13 and later.
   * @default false
   */
  verifyCommit?: boolean | undefined;
  /**
   * Hooks of this block.
   * @default none
   */
  hooks?: TransactionHooks | undefined;
}

/** The type of `db.atomic` and `trx.atomic`. */
export type Atomic = <T>(block: (trx: AtomicTransaction) => Awaitable<T>, options?: AtomicOptions) => Promise<T>;

/**
 * The handle that a block gets: a Knex transaction that the block ends.
 * @see docs/transactions.md#dbatomicblock-options
 */
export interface AtomicTransaction extends Knex.Transaction {
  /**
   * A block inside this one: a savepoint. If it fails and you catch its error outside it, only its own work is undone.
   * @example
   * await trx.atomic((inner) => inner('orders').insert({ item: 'book' })).catch(() => {});
   * @throws DurableError (`ERR_DURABLE`) with `durable: true`
   * @see docs/transactions.md#blocks-inside-blocks
   */
  atomic: Atomic;
  /**
   * Registers a hook that runs before the outermost COMMIT. An inner block has ended by then: send queries with `trx` of the context.
   * @example
   * trx.beforeCommit(({ trx }) => trx('outbox').insert({ topic: 'orders' }));
   * @throws Error when the transaction is finished
   * @see docs/transactions.md#hooks
   */
  beforeCommit(hook: TransactionHook): void;
  /**
   * Registers a hook that runs after the outermost COMMIT was confirmed.
   * @example
   * trx.afterCommit(() => sendMail());
   * @throws Error when the transaction is finished
   * @see docs/transactions.md#run-something-after-commit
   */
  afterCommit(hook: TransactionHook): void;
  /**
   * Registers a hook that runs after this work was rolled back.
   * @example
   * trx.afterRollback(({ error }) => log.warn(error));
   * @throws Error when the transaction is finished
   * @see docs/transactions.md#hooks
   */
  afterRollback(hook: TransactionHook): void;
  /** Which attempt of a retried block this is: 1, 2, … */
  readonly attempt: number;
}
