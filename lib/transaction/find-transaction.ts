// Finds the transaction behind a handle, a client, a connection, or the async context. The rooms below know it by less.
import type { Knex } from 'knex';
import { guardOf } from '../knex/guard';
import { controllerOf } from '../knex/transaction-controller';
import { Transaction } from './transaction';

/** What a room below has kept of a transaction, as the transaction that it is. */
export function asTransaction(kept: unknown): Transaction | undefined {
  return kept instanceof Transaction ? kept : undefined;
}

/** The transaction whose queries go through a client, or through a client derived from it. */
export function transactionOfClient(client: object): Transaction | undefined {
  return asTransaction(guardOf(client));
}

/** The transaction behind a `trx` handle. */
export function transactionOf(trx: Knex.Transaction): Transaction | undefined {
  return transactionOfClient((trx as unknown as { client: object }).client);
}

/** The same for the handle of a transaction that is known to be ours. */
export function controlledBy(trx: Knex.Transaction): Transaction {
  const transaction = transactionOf(trx);
  if (!transaction) throw new Error('the transaction is not under the control of this package');
  return transaction;
}

/** The transaction that knex has made. */
export function transactionOfKnex(made: object | null | undefined): Transaction | undefined {
  return asTransaction(controllerOf(made));
}
