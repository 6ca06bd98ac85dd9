// What the server's answers say of the transaction on a connection.

/** `idle`: between transactions. `unknown`: the driver cannot tell. */
export type TransactionStatus = 'idle' | 'open' | 'failed' | 'unknown';

/** A statement of the user's, and what it was answered with. */
export interface Answer {
  readonly sql: string;
  readonly error?: unknown;
  readonly result?: unknown;
}

export interface TransactionReader<C> {
  /** True only while nothing is running. */
  status(connection: C): TransactionStatus;
  /** Whether the answer to COMMIT says that the server rolled back. Absent: that is an error. */
  saysRolledBack?(result: unknown): boolean;
  /** Whether the statement that ended the transaction is known to have committed it, and nothing to have been rolled back in it. */
  hasCommitted(connection: C, answer: Answer): boolean;
  /** Whether a statement commits the transaction implicitly, as schema changes do on MySQL. Absent: none does. */
  commitsSilently?(sql: string): boolean;
  /** Whether a statement has ended the transaction and begun another one (AND CHAIN), also where a script has failed behind that. Absent: it is never known. */
  wasRestarted?(connection: C, answer: Answer): boolean;
  /** Whether a script may have ended the transaction before it failed. Absent: the answers say. */
  mayHaveEnded?(sql: string): boolean;
  /** The part of the answer to COMMIT that arrived before the connection died. Absent: the answer arrives whole or not at all. */
  endHeard?(connection: C): 'committed' | 'rolledBack' | undefined;
  /** Called when the driver waits no longer for the answer to COMMIT. Absent: what the server refuses then is not heard. */
  watchRefusal?(connection: C): RefusalWatch;
  /** Called before a COMMIT is cancelled. Absent: a cancel never ends the wait of a finished COMMIT. */
  watchCut?(connection: C): CutWatch;
}

export interface RefusalWatch {
  /** What the server has answered with since. */
  heard(): unknown;
  /** Nothing is listened to any more. */
  end(): void;
}

export interface CutWatch {
  /** Whether the cancel has ended the wait of a finished COMMIT. */
  hasCut(): boolean;
  /** Nothing is listened to any more. */
  end(): void;
}
