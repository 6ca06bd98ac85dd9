// Transactions that knex began without this package, such as a migration's: a block inside makes the whole of them truthful.
import type { Knex } from 'knex';
import { guardClient, guardOf } from '../knex/guard';
import type { KnexClient } from '../knex/client-shape';
import { controlOpen, machineOf, partsOf } from '../knex/open-transaction';
import type { KnexTransaction } from '../knex/transaction-shape';
import { TransactionPort } from '../knex/transaction-port';
import { RootTransaction } from './root';
import { Savepoint } from './savepoint';
import { transactionOfClient } from './find-transaction';
import type { TransactionHost, ConnectionSource } from './transaction-host';
import { driverOf } from '../drivers';
import { isFatal } from '../drivers/fatal-errors';
import type { Runner } from '../knex/builders';
import { claimTransaction } from '../knex/identity';
import { type ClientHost, makeClaimedPrototype, type PooledClients } from '../knex/client-class';
import { factsOf, acquireTimeoutMillisOf } from '../knex/client-facts';
import { Ambient } from '../pool/ambient';
import { Register } from '../pool/register';
import { Resets } from '../pool/resets';
import { inBackground } from '../words/foreign';
import { DEFAULTS } from '../words/options';
import { nextTurn } from '../words/waiting';
import { beginTransaction } from './begin';
import { watchRunner } from './watch-queries';

/**
 * Takes control of a transaction that has no controller yet, and of those around it: all hooks wait for the outermost COMMIT.
 * @param instance its instance, if that is resettable by now
 * @throws Error where a reset or a death has taken its connection away, and where it has ended, or its end was asked for: its connection may be another transaction's by now
 */
export async function takeControlOf(trx: Knex.Transaction, instance: TransactionHost | undefined): Promise<void> {
  const { client } = trx as unknown as { client: KnexClient };
  if (transactionOfClient(client)) return;
  refuseCompleted(trx);
  const raw = await client.acquireConnection();
  // Another block in it, asked at the same time, may have been first.
  if (transactionOfClient(client)) return;
  refuseCompleted(trx);
  const host = instance ?? new PlainHost(trx, client);
  const { refusal, death } = host.pool.register.given(raw);
  if (refusal ?? death) throw refusal ?? death;
  const transaction = takeControl(machineOf(trx), raw, host);
  transaction.port.handle = trx;
  // Its end may be asked for right now. What control was taken for, a block not awaited perhaps, begins before.
  inBackground(nextTurn().then(transaction.work.enter()));
}

function refuseCompleted(trx: Knex.Transaction): void {
  if (trx.isCompleted()) throw new Error('the transaction is finished: Transaction query already complete');
}

function takeControl(machine: KnexTransaction, raw: object, host: TransactionHost): RootTransaction | Savepoint {
  const { client, around } = partsOf(machine);
  const parent = around && (transactionOfClient(partsOf(around).client) ?? takeControl(around, raw, host));
  const instance = parent?.instance ?? host;
  instance.attachTransaction(client);
  const details = { instance, port: new TransactionPort(machine), block: undefined, stack: {} };
  const transaction = parent ? new Savepoint({ ...details, parent }) : new RootTransaction({ ...details, parent });
  controlOpen(machine, raw, transaction);
  transaction.takeOver(raw);
  guardClient(client, transaction);
  if (instance.settings.hooks) transaction.hooks.addAll(transaction, instance.settings.hooks);
  return transaction;
}

const { timeoutMillis } = DEFAULTS;

/** Nothing follows for the other connections: they are not ours. */
const UNWATCHED = {
  checkIdleMillis: undefined,
  opened: () => undefined,
  answers: () => Promise.resolve(true),
  onDeath: () => {},
  onError: () => {},
};

/** What a transaction has in place of an instance where it was begun by one that is not resettable: defaults, and nothing to reset. */
class PlainHost implements TransactionHost, ClientHost, PooledClients {
  readonly settings = { timeoutMillis };
  readonly ambient = new Ambient();
  readonly resets = new Resets();
  readonly transactionLimit = undefined;
  readonly carry = undefined;
  readonly isFatal = isFatal;
  readonly areDestroyed = false;
  readonly driver;
  readonly pool: ConnectionSource;
  readonly #prototype: object;

  constructor(
    readonly knex: Knex,
    readonly client: KnexClient,
  ) {
    const driver = driverOf(factsOf(client));
    const host = { driver, isExternal: true, timeoutMillis, recovery: UNWATCHED };
    this.driver = driver;
    this.pool = {
      register: new Register({ host, real: { present: undefined, tellClosing: () => undefined } }),
      borrow: async () => undefined,
      release: () => false,
      whenFree: () => undefined,
    };
    this.#prototype = makeClaimedPrototype(client, this, this);
  }

  get acquireTimeoutMillis(): number {
    return acquireTimeoutMillisOf(this.client);
  }

  opened(): void {}

  begun(): void {}

  closed(): void {}

  attachTransaction(client: object): void {
    claimTransaction(client, this.#prototype);
  }

  // For the transaction's clients.

  transaction(...[asking, asked, make]: Parameters<ClientHost['transaction']>): ReturnType<ClientHost['transaction']> {
    return beginTransaction(this, asking, asked, make);
  }

  running(): void {}

  runningInside(asking: object, runner: Runner): void {
    watchRunner(guardOf(asking), runner);
  }

  readsWhole(): boolean {
    return false;
  }

  destroyed(): void {}

  initialize(): void {}
}
