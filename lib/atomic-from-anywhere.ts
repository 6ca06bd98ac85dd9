// `atomic()` as a function: for code that gets an instance or a transaction.
import type { Knex } from 'knex';
import type { AtomicOptions, AtomicTransaction, Awaitable } from './words/block-types';
import { lookAt } from './knex/given';
import { describe } from './words/describe';
import { captureCallSite } from './words/call-site';
import { resettable } from './resettable';
import { otherCopyError, registeredAround, registeredFor } from './registry';
import { runInTransaction, runOutermost } from './transaction/atomic';

/**
 * A block as a function, for code that gets an instance or a transaction: `db.atomic` for an instance, a savepoint in a transaction.
 * The transaction can be one that Knex made without this package, such as a migration's.
 *
 * @example
 * export const order = (dbOrTrx: Knex, item: string) => atomic(dbOrTrx, (trx) => trx('orders').insert({ item }));
 *
 * @throws TypeError when the first argument is neither an instance nor a transaction; else as `db.atomic`
 * @see docs/transactions.md#blocks-inside-blocks
 */
export function atomic<T>(
  dbOrTrx: Knex | Knex.Transaction,
  block: (trx: AtomicTransaction) => Awaitable<T>,
  options?: AtomicOptions,
): Promise<T> {
  const { client, pool, isTransaction } = lookAt(dbOrTrx);
  const refusal = otherCopyError('atomic', client);
  if (refusal) return Promise.reject(refusal);
  if (isTransaction && client) {
    const instance = registeredAround(client);
    return runInTransaction(dbOrTrx as Knex.Transaction, { block, options, stack: captureCallSite(atomic), instance });
  }
  // A destroyed instance has no pool: knex's own error says so, where the block asks for a connection.
  const instance = registeredFor(client);
  if (!instance) return onPlainInstance(dbOrTrx, pool !== undefined, { block, options });
  const { userParams } = dbOrTrx;
  return runOutermost(instance, { block, options, stack: captureCallSite(atomic), userParams });
}

interface Asked<T> {
  block: (trx: AtomicTransaction) => Awaitable<T>;
  options: AtomicOptions | undefined;
}

/** Knex gives a plain instance to a non-transactional migration under its command line. */
async function onPlainInstance<T>(db: Knex, hasPool: boolean, { block, options }: Asked<T>): Promise<T> {
  if (hasPool) return resettable(db).atomic(block, options);
  throw new TypeError(`atomic: expected a resettable Knex instance or a transaction, but was given ${describe(db)}`);
}
