// Transactions that knex began without this package, such as a migration's: a block inside makes the whole of them truthful.
import type { Knex } from 'knex';
import { driverOf } from '../drivers';
import { isFatal } from '../drivers/error-codes';
import { type ClientSite, claimTransaction, makeClaimedPrototype } from '../knex/client-class';
import type { KnexClient, KnexTransaction, Runner } from '../knex/insides';
import { controlOpen } from '../knex/transaction-class';
import { DEFAULTS } from '../options';
import type { Instance, OpenEntry } from '../pool/instance';
import { Ambient } from '../pool/ambient';
import { ResettablePool } from '../pool/resettable-pool';
import { beginTransaction } from './begin';
import { watchRunner } from './pending';
import { Scope } from './scope';
import { scopeOfClient } from './steps';

/** Takes a transaction's client over, if it is nobody's yet, so that what is begun inside is under control. */
export async function adoptTransaction(trx: Knex.Transaction): Promise<void> {
  const { client } = trx as unknown as { client: KnexClient };
  if (scopeOfClient(client)) return;
  // What is around it first: the hooks of the whole wait for the outermost COMMIT.
  const { parentTransaction } = trx as { parentTransaction?: Knex.Transaction };
  if (parentTransaction) await adoptTransaction(parentTransaction);
  const connection = await client.acquireConnection();
  // Another block in it, asked at the same time, was first.
  if (scopeOfClient(client)) return;
  const parent = parentTransaction && scopeOfClient((parentTransaction as unknown as { client: KnexClient }).client);
  const instance = parent?.instance ?? detachedInstance(trx, client);
  const site = {
    pool: instance.pool,
    initialize: () => {},
    destroyed: () => {},
    running: (asking: KnexClient, _builder: object, runner: Runner) => watchRunner(asking, runner),
    readsWhole: () => false,
  };
  let machine: KnexTransaction | undefined;
  const transaction: ClientSite['transaction'] = (asking, asked, make) => {
    if (machine) return beginTransaction(instance, asking, asked, make);
    machine = asked.outer as KnexTransaction;
    return machine;
  };
  claimTransaction(client, makeClaimedPrototype(client, { ...site, transaction }));
  // Knex shows the machine behind a handle only to the transactions that are made inside: this one is made up to see it.
  void trx.transaction(() => {});
  adoptOpen(instance, machine as unknown as KnexTransaction, { connection, handle: trx, parent });
}

function adoptOpen(
  instance: Instance,
  trx: KnexTransaction,
  held: { connection: object; handle: Knex.Transaction; parent: Scope | undefined },
): void {
  const { parent } = held;
  const scope = new Scope(instance, trx, { parent, block: undefined, stack: {}, standsAlone: false });
  const undo = controlOpen(trx, held.connection, scope);
  scope.adopted(held.connection, undo);
  scope.handle = held.handle;
}

/** What a scope needs of an instance, for one that was never made resettable: nothing of it is ours to reset. */
function detachedInstance(knex: Knex, client: KnexClient): Instance {
  const driver = driverOf(client);
  const { graceMillis, timeoutMillis, onFatal, checkTimeoutMillis } = DEFAULTS;
  const pool = new ResettablePool({
    driver,
    isExternal: true,
    timeoutMillis,
    build: () => {
      throw new Error('a transaction has no pool');
    },
    makeAfresh: (make) => make(),
    opened: (connection) => Promise.resolve(connection),
    whereAsked: () => undefined,
    home: () => undefined,
    lendsUnasked: false,
    needsCheck: () => false,
    check: () => undefined,
    onDeath: () => {},
    onError: () => {},
    explain: (error) => Promise.reject(error as Error),
    destroy: async () => {},
  });
  const open = new Set<OpenEntry>();
  return {
    knex,
    client,
    driver,
    pool,
    settings: { graceMillis, timeoutMillis, onFatal, checkTimeoutMillis },
    open,
    asleep: new Set(),
    resets: 0,
    latestReset: undefined,
    isFatal,
    opened: (entry) => void open.add(entry),
    closed: (entry) => void open.delete(entry),
    ambient: new Ambient(),
    hold: () => Promise.reject(new Error('a transaction has no sandbox')),
    reset: () => Promise.reject(new Error('a transaction cannot be reset')),
  };
}
