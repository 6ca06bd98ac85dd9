// `atomic()` as a function: for what a migration is given, or whoever does not know which of the two he has.
import type { Knex } from 'knex';
import type { AtomicOptions, AtomicTransaction, Awaitable } from './words/block-types';
import type { KnexClient } from './knex/insides';
import { describe } from './words/options';
import { captureCallSite } from './words/call-site';
import { resettable } from './resettable';
import { registry } from './registry';
import { runInTransaction, runOutermost } from './transaction/atomic';

/**
 * A transaction block on an instance or in a transaction, also in one that knex made without this package (a migration's `up(knex)`),
 * where it is a savepoint. See `Resettable.atomic`.
 *
 * @throws TypeError where the first argument is neither
 */
export async function atomic<T>(
  dbOrTrx: Knex | Knex.Transaction,
  block: (trx: AtomicTransaction) => Awaitable<T>,
  options?: AtomicOptions,
): Promise<T> {
  const { client, isTransaction } = (dbOrTrx ?? {}) as { client?: KnexClient; isTransaction?: boolean };
  if (isTransaction && client) {
    return runInTransaction(dbOrTrx as Knex.Transaction, { block, options, stack: captureCallSite(atomic) });
  }
  const registered = client?.pool && registry.get(client.pool);
  if (registered)
    return runOutermost(registered.instance, {
      block,
      options,
      stack: captureCallSite(atomic),
      userParams: dbOrTrx.userParams,
    });
  // What knex hands to a non-transactional migration under its command line: an instance that nobody has made resettable.
  if (client?.pool && typeof dbOrTrx === 'function') return resettable(dbOrTrx as Knex).atomic(block, options);
  throw new TypeError(
    `atomic: expected a resettable Knex instance or a transaction, but was given ${describe(dbOrTrx)}`,
  );
}
