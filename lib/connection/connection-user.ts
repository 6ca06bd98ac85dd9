// What a connection knows of the transaction on it.

/** The transaction on a connection, as the connection sees it. */
export interface ConnectionUser {
  /** Other code took the connection, and gives it back. */
  readonly usesCallersConnection: boolean;
  /** It has taken the connection and not given it back: nobody else can. */
  readonly keepsConnection: boolean;
  /** Code inside it has taken the connection by hand. */
  readonly isHeldByHand: boolean;
  /** COMMIT is under way: it is done soon, with or without us. */
  readonly isCommitting: boolean;
  /** It was begun with `readOnly`: that a write is refused says nothing of the server. */
  readonly isReadOnly: boolean;
  /** A statement was answered; returns the error that its asker shall get. */
  answered(sql: string, error: unknown, result: unknown): unknown;
  /** The connection is ready again after a statement failed: only now is its status known. */
  readied(sql: string, error: unknown): void;
  /** The connection is gone. */
  lost(error: Error): void;
}
