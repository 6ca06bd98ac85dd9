// The public types of an instance, as API users see them: options, reports, what it holds. Those of blocks are in block-types.ts.
import type { Atomic, Awaitable, TransactionHooks } from './block-types';

/** A transaction that is open, or that a reset found open, as reports and errors show it. */
export interface OpenTransaction {
  /** knex's own id of the transaction (`trx12`), as in its debug output. */
  id: string;
  label: string | undefined;
  /** The server's process id (PostgreSQL) or thread id (MySQL) of the connection, where the driver knows it. */
  backendId: number | undefined;
  openedAt: Date;
  ageMillis: number;
  /** 1, plus one for each open savepoint. */
  depth: number;
  state: 'idle' | 'running' | 'failed';
  /** The text of the last statement, without its bindings. */
  lastSql: string | undefined;
  /** Where it was opened: the user's frames first. */
  stack: string;
}

/** What subscribers of the diagnostics channel `knex-reset:transaction` get; each transaction begins once and ends once. */
export interface TransactionEvent {
  event: 'begin' | 'commit' | 'rollback' | 'fatal' | 'unknown';
  transaction: OpenTransaction;
  error?: unknown;
}

/** What the instance holds at this moment. */
export interface ConnectionState {
  /** How many resets there have been. */
  generation: number;
  resetting: boolean;
  connections: { idle: number; inUse: number; opening: number; waiting: number };
  transactions: OpenTransaction[];
}

export interface ResetOptions {
  /** Shown in the errors of the victims and in the report. */
  reason?: string | undefined;
  /** How long running transactions and queries may end by themselves before the rest is aborted. */
  graceMillis?: number | undefined;
  /** Upper bound of the teardown that follows the grace. */
  timeoutMillis?: number | undefined;
  /**
   * `'close'` closes every connection; `'recycle'` washes those that answer and keeps them.
   * @default 'close'
   */
  connections?: 'close' | 'recycle' | undefined;
  /**
   * Queries that still wait for a connection: `'reject'` them with `ResetError`, or `'requeue'` them behind the reset.
   * @default 'reject'
   */
  waiting?: 'reject' | 'requeue' | undefined;
}

/** What a reset found and did. */
export interface ResetReport {
  reason: string | undefined;
  /** 1 after the first reset. */
  generation: number;
  durationMillis: number;
  abortedTransactions: OpenTransaction[];
  /** Queries that ran outside a transaction. */
  abortedQueries: number;
  rejectedWaiters: number;
  requeuedWaiters: number;
  closedConnections: number;
  recycledConnections: number;
  /** Of the closed ones: those that had to be terminated or cut. */
  forcedConnections: number;
}

export interface SandboxOptions {
  /**
   * Check deferred constraints at the end.
   * @default true
   */
  checkConstraints?: boolean | undefined;
}

/** What a test left open when its sandbox was closed. */
export interface LeakReport {
  transactions: OpenTransaction[];
  queries: { sql: string; stack: string }[];
}

export interface Sandbox {
  /** Rolls back everything that was done since the sandbox was opened, and says what was left open. */
  close(): Promise<LeakReport>;
}

export interface ResettableOptions {
  /**
   * How long a reset lets running work end by itself, in milliseconds.
   * @default 0
   */
  graceMillis?: number | undefined;
  /**
   * Upper bound of a teardown after its grace, in milliseconds.
   * @default 5000
   */
  timeoutMillis?: number | undefined;
  /**
   * What follows a fatal error, once the connection that had it is discarded.
   * @default 'evict'
   */
  onFatal?: 'discard' | 'evict' | 'reset' | undefined;
  /** Overrides the built-in classifier, whose verdict is `standard`. */
  isFatal?: ((error: unknown, standard: boolean) => boolean) | undefined;
  /** A connection idle for longer must answer before it is lent. Off by default. */
  checkIdleMillis?: number | undefined;
  /**
   * Upper bound of one such check, in milliseconds.
   * @default 1000
   */
  checkTimeoutMillis?: number | undefined;
  /** A transaction older than this is reported to `onLeak`. Off by default. */
  leakAfterMillis?: number | undefined;
  onLeak?: ((transaction: OpenTransaction) => void) | undefined;
  /**
   * Queries made with the instance inside a block run in that block.
   * @default false
   */
  ambient?: boolean | undefined;
  /** Hooks of every block and plain transaction of this instance. */
  hooks?: TransactionHooks | undefined;
}

/** What `resettable()` adds to a Knex instance. */
export interface Resettable {
  /**
   * Aborts every open transaction, stops what the server still runs for this instance, closes every connection and
   * leaves the instance ready: the next query opens a new connection.
   *
   * | what | what happens to it |
   * | --- | --- |
   * | idle connections | closed (or washed, with `connections: 'recycle'`) |
   * | open transactions | aborted: their promise rejects with `ResetError`; one caught in COMMIT may hear the answer |
   * | running queries and streams | cancelled on the server, rejected with `ResetError` at once |
   * | queries waiting for a connection | rejected with `ResetError`, or asked again behind the reset (`waiting: 'requeue'`) |
   * | later queries | wait for the end of the reset, then run on a new connection |
   * | event listeners, copies, `knex.migrate` | stay; all share the reset |
   *
   * When it resolves, the server has let go of every earlier connection and lock. It never hangs: it is bounded by
   * `graceMillis + timeoutMillis`. Overlapping calls share one teardown and one report.
   *
   * It can be given to a test runner as it is, `beforeEach(db.resetConnection)`: what runners pass to their hooks is ignored.
   *
   * @throws TypeError for bad arguments, and for nothing else.
   */
  resetConnection(this: void, options?: ResetOptions): Promise<ResetReport>;
  /**
   * Runs `block` in a transaction: resolves with its value once COMMIT is confirmed, otherwise rolls back and rejects with its error.
   *
   * @throws CommitUnknownError (`ERR_COMMIT_UNKNOWN`) when the connection was lost after COMMIT was sent.
   * @throws TransactionFailedError (`ERR_TRANSACTION_FAILED`) when the server rolled back although the block returned.
   * @throws AfterCommitError (`ERR_AFTER_COMMIT`) when it is committed and `afterCommit` hooks threw.
   */
  atomic: Atomic;
  /**
   * Runs `body` so that everything it does through this instance happens on one connection in one transaction, which is rolled back at the end.
   *
   * @throws SandboxError (`ERR_SANDBOX`) when it cannot work here or when the code under test escaped from it.
   */
  sandbox<T>(this: void, body: () => Awaitable<T>, options?: SandboxOptions): Promise<T>;
  /** Pins the whole instance to one sandbox until its `close()`: for `beforeEach`/`afterEach`. */
  openSandbox(this: void, options?: SandboxOptions): Promise<Sandbox>;
  /** What the instance holds at this moment. */
  connectionState(this: void): ConnectionState;
}
