// `atomic()` as a function: for what a migration is given, or whoever does not know which of the two he has.
import type { Knex } from 'knex';
import type { AtomicOptions, AtomicTransaction, Awaitable } from './block-types';
import type { KnexClient } from './knex/insides';
import { describe } from './options';
import { captureStack } from './pool/stack';
import { resettable } from './resettable';
import { sites } from './sites';
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
    return runInTransaction(dbOrTrx as Knex.Transaction, { block, options, stack: captureStack(atomic) });
  }
  const site = client?.pool && sites.get(client.pool);
  if (site)
    return runOutermost(site.instance, { block, options, stack: captureStack(atomic), userParams: dbOrTrx.userParams });
  // What knex hands to a non-transactional migration under its command line: an instance that nobody has made resettable.
  if (client?.pool && typeof dbOrTrx === 'function') return resettable(dbOrTrx as Knex).atomic(block, options);
  throw new TypeError(
    `atomic: expected a resettable Knex instance or a transaction, but was given ${describe(dbOrTrx)}`,
  );
}
