// The public types of what an instance reports: open transactions, the state of the pool, resets, leaks. No report contains bindings.

/**
 * A transaction that is open, or that was open when it was aborted.
 * @see docs/production.md#who-holds-my-connections
 */
export interface OpenTransaction {
  /** Knex's own id of the transaction (`trx12`), as in Knex's debug output. */
  id: string;
  /** The label of the block; `undefined` for a plain transaction. */
  label: string | undefined;
  /** The process id (PostgreSQL) or thread id (MySQL) of its connection on the server; `undefined` for other drivers. */
  backendId: number | undefined;
  /** When it was opened, by the clock of this process. */
  openedAt: Date;
  /** How long it has been open, in milliseconds. */
  ageMillis: number;
  /** 1, plus one for each open savepoint. */
  depth: number;
  /** `'running'`: a statement runs. `'failed'`: a statement failed, and the server refuses others. `'idle'`: neither. */
  state: 'idle' | 'running' | 'failed';
  /** The text of the last statement, without its bindings. */
  lastSql: string | undefined;
  /** Where it was opened. The frames of your own files come first. */
  stack: string;
}

/**
 * What subscribers of the diagnostics channel `knex-reset:transaction` get.
 * @see docs/production.md#metrics-and-logs
 */
export interface TransactionEvent {
  /**
   * Each transaction begins once (`'begin'`) and ends once: `'commit'`, `'rollback'`, or `'unknown'` when the answer to COMMIT was
   * lost. `'fatal'` can come between: the connection was lost.
   */
  event: 'begin' | 'commit' | 'rollback' | 'fatal' | 'unknown';
  /** The transaction, at the moment of the event. */
  transaction: OpenTransaction;
  /** Why, for an event that has a reason. */
  error?: unknown;
}

/**
 * What `db.connectionState()` returns: what the instance holds at this moment.
 * @see docs/production.md#who-holds-my-connections
 */
export interface ConnectionState {
  /** How many resets there have been. */
  generation: number;
  /** Whether a reset runs now. */
  resetting: boolean;
  /** The counters of the pool. */
  connections: {
    /** Connections that are open and not in use. */
    idle: number;
    /** Connections that a query, a transaction or your code holds. */
    inUse: number;
    /** Connections that are being opened. */
    opening: number;
    /** Queries and transactions that wait for a connection. */
    waiting: number;
  };
  /** The open transactions, oldest first. */
  transactions: OpenTransaction[];
}

/**
 * What a reset found and did.
 * @see docs/resetting.md#resetconnection
 */
export interface ResetReport {
  /** The reason that was given to `resetConnection()`. */
  reason: string | undefined;
  /** The number of this reset: 1, 2, … */
  generation: number;
  /** How long the reset took, in milliseconds, the grace included. */
  durationMillis: number;
  /** The transactions that were open and were aborted. */
  abortedTransactions: OpenTransaction[];
  /** How many queries outside transactions were cancelled. */
  abortedQueries: number;
  /** How many queries that waited for a connection were rejected. */
  rejectedWaiters: number;
  /** How many queries that waited for a connection run after the reset (`waiting: 'requeue'`). */
  requeuedWaiters: number;
  /** How many connections were closed. */
  closedConnections: number;
  /** How many connections were cleaned and kept (`connections: 'recycle'`). */
  recycledConnections: number;
  /** How many of the closed connections had to be terminated on the server, or cut. */
  forcedConnections: number;
}

/**
 * What a test left open when its sandbox was closed.
 * @see docs/tests.md#sandboxes-by-hand
 */
export interface LeakReport {
  /** Transactions that were not ended. */
  transactions: OpenTransaction[];
  /** Queries that still ran. */
  queries: {
    /** The text of the query, without its bindings. */
    sql: string;
    /** Where it was asked. The frames of your own files come first. */
    stack: string;
  }[];
}
