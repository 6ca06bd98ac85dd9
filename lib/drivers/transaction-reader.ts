// What the server's answers say of the transaction on a connection.

/** `idle`: between transactions. `unknown`: the driver cannot tell. */
export type TransactionStatus = 'idle' | 'open' | 'failed' | 'unknown';

export interface TransactionReader<C> {
  /** True only while nothing is running. */
  status(connection: C): TransactionStatus;
  /** Whether the answer to a statement that ended the transaction says that the server rolled it back. */
  saysRolledBack(result: unknown, sql?: string): boolean;
  /** Whether a statement commits the transaction though it does not say so, as schema changes do on MySQL. Absent: none does. */
  commitsSilently?(sql: string): boolean;
  /** Whether an answer says that the transaction was ended, though there is a new one since (AND CHAIN). Absent: it never does. */
  wasRestarted?(result: unknown, sql: string): boolean;
  /** Whether the script that has just failed had ended the transaction before. Absent: only the status tells. */
  endedBefore?(connection: C, sql: string): boolean;
  /** The answer to COMMIT as far as it was heard, where the connection died before it was complete. Absent: it is heard whole or not at all. */
  endHeard?(connection: C): 'committed' | 'rolledBack' | undefined;
  /** A COMMIT is about to be cancelled. Returns what says whether that has cut short a wait of a COMMIT that was done. Absent: it never does. */
  watchCut?(connection: C): () => boolean;
}
