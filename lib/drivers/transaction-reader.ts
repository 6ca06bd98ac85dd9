// What the server's answers say of the transaction on a connection.

/** `idle`: between transactions. `unknown`: the driver cannot tell. */
export type TransactionStatus = 'idle' | 'open' | 'failed' | 'unknown';

export interface TransactionReader<C> {
  /** True only while nothing is running. */
  status(connection: C): TransactionStatus;
  /** Whether the answer to a statement that ended the transaction says that the server rolled it back. */
  saysRolledBack(result: unknown, sql?: string): boolean;
  /** Whether a statement commits the transaction implicitly, as schema changes do on MySQL. Absent: none does. */
  commitsSilently?(sql: string): boolean;
  /** Whether an answer says that the transaction was ended and another one was begun (AND CHAIN). Absent: it never does. */
  wasRestarted?(result: unknown, sql: string): boolean;
  /** Whether the script that has just failed had ended the transaction before. Absent: only the status shows it. */
  endedBefore?(connection: C, sql: string): boolean;
  /** The part of the answer to COMMIT that arrived before the connection died. Absent: the answer arrives whole or not at all. */
  endHeard?(connection: C): 'committed' | 'rolledBack' | undefined;
  /** Called before a COMMIT is cancelled. Absent: a cancel never ends the wait of a finished COMMIT. */
  watchCut?(connection: C): CutWatch;
}

export interface CutWatch {
  /** Whether the cancel has ended the wait of a finished COMMIT. */
  hasCut(): boolean;
  /** Nothing is listened to any more. */
  end(): void;
}
