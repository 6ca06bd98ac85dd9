// Transactions that knex began without this package, such as a migration's: a block inside makes the whole of them truthful.
import type { Knex } from 'knex';
import { driverOf } from '../drivers';
import { isFatal } from '../drivers/fatal-errors';
import { claimTransaction } from '../knex/claimed';
import { makeClaimedPrototype } from '../knex/client-class';
import { factsOf } from '../knex/client-facts';
import type { KnexClient } from '../knex/client-shape';
import { guardClient } from '../knex/guard';
import { TransactionPort } from '../knex/transaction-port';
import { controlOpen, machineOf, partsOf } from '../knex/open-transaction';
import type { KnexTransaction } from '../knex/transaction-shape';
import { DEFAULTS } from '../words/options';
import type { Instance, OpenEntry } from '../pool/instance';
import { Ambient } from '../pool/ambient';
import { ResettablePool } from '../pool/resettable-pool';
import { beginTransaction } from './begin';
import { watchRunner } from './pending';
import { RootTransaction } from './root';
import { Savepoint } from './savepoint';
import type { Transaction } from './transaction';
import { transactionOfClient } from './control';

/**
 * Takes control of a transaction that has no controller yet, and of those around it: all hooks wait for the outermost COMMIT.
 * @throws Error where it has ended, or its end was asked for: its connection may be another transaction's by now
 */
export async function takeControlOf(trx: Knex.Transaction): Promise<void> {
  const { client } = trx as unknown as { client: KnexClient };
  if (transactionOfClient(client)) return;
  refuseCompleted(trx);
  const raw = await client.acquireConnection();
  // Another block in it, asked at the same time, may have been first.
  if (transactionOfClient(client)) return;
  refuseCompleted(trx);
  adoptMachine(machineOf(trx), raw, trx).port.handle = trx;
}

function refuseCompleted(trx: Knex.Transaction): void {
  if (trx.isCompleted()) throw new Error('the transaction is finished: Transaction query already complete');
}

function adoptMachine(machine: KnexTransaction, raw: object, knex: Knex): Transaction {
  const { client, around } = partsOf(machine);
  const parent = around && (transactionOfClient(partsOf(around).client) ?? adoptMachine(around, raw, knex));
  const instance = parent?.instance ?? detachedInstance(knex, client);
  const prototype = makeClaimedPrototype(client, {
    pool: instance.pool,
    initialize: () => {},
    destroyed: () => {},
    transaction: (asking, asked, make) => beginTransaction(instance, asking, asked, make),
    running: (asking, _builder, runner) => watchRunner(asking, runner),
    readsWhole: () => false,
    carry: undefined,
  });
  claimTransaction(client, prototype);
  const details = { instance, port: new TransactionPort(machine), block: undefined, stack: {} };
  const transaction = parent ? new Savepoint({ ...details, parent }) : new RootTransaction({ ...details, parent });
  controlOpen(machine, raw, transaction);
  transaction.takeOver(raw);
  guardClient(client, transaction);
  return transaction;
}

/** What a transaction needs of an instance, for one that was never made resettable: nothing of it is ours to reset. */
function detachedInstance(knex: Knex, client: KnexClient): Instance {
  const driver = driverOf(factsOf(client));
  const ambient = new Ambient();
  const { graceMillis, timeoutMillis, onFatal, checkTimeoutMillis } = DEFAULTS;
  const pool = new ResettablePool({
    driver,
    isExternal: true,
    timeoutMillis,
    build: () => {
      throw new Error('a transaction has no pool');
    },
    makeAfresh: (make) => make(),
    opened: () => undefined,
    origins: { take: () => undefined },
    ambient,
    lendsUnasked: false,
    checkIdleMillis: undefined,
    answers: async () => true,
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
    pausedRetries: new Set(),
    resets: 0,
    latestReset: undefined,
    isFatal,
    opened: (entry) => void open.add(entry),
    closed: (entry) => void open.delete(entry),
    ambient,
    hold: () => Promise.reject(new Error('a transaction has no sandbox')),
    reset: () => Promise.reject(new Error('a transaction cannot be reset')),
  };
}
