// What comes out of a transaction.

export type Outcome =
  | { kind: 'committed'; value: unknown }
  /** It resolves all the same where a plain `trx.rollback()` without an error does. */
  | { kind: 'rolledBack'; error: unknown; resolves?: boolean }
  | { kind: 'unknown'; error: Error };
