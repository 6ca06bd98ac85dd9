// One statement from being asked to being answered.

export interface PendingStatement {
  readonly sql: string;
  /** Answered row by row, at its reader's pace. */
  readonly isStream?: boolean;
  /** One of this package's own. */
  readonly isOwn?: boolean;
  /** Hands the statement to the driver. Called once, and only while no other statement is with the driver. */
  start(): void;
  /** Rejects the statement for its caller. A later answer of the driver is dropped. */
  abort(error: Error): void;
}
