// What knex notes on a connection itself: the transaction that holds it, and that it is not to be lent again.

interface Marked {
  __knexTxId?: string | undefined;
  __knex__disposed?: unknown;
}

/** The mark of the transaction that holds a connection. */
export function transactionIdOf(connection: object): string | undefined {
  return (connection as Marked).__knexTxId;
}

export function markTransaction(connection: object, id: string | undefined): void {
  (connection as Marked).__knexTxId = id;
}

export function isDisposed(connection: object): boolean {
  return Boolean((connection as Marked).__knex__disposed);
}

/** knex drops a connection so marked at its next borrow, and its adapters of native pools at its release. */
export function markDisposed(connection: object, reason: Error): void {
  (connection as Marked).__knex__disposed = reason;
}
