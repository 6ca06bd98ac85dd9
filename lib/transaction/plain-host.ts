// What a transaction has in place of an instance where it was begun by one that is not resettable: defaults, and nothing to reset.
import type { Knex } from 'knex';
import { driverOf } from '../drivers';
import { isFatal } from '../drivers/fatal-errors';
import type { Runner } from '../knex/builders';
import { claimTransaction } from '../knex/claimed';
import { type ClientHost, makeClaimedPrototype, type PooledClients } from '../knex/client-class';
import { factsOf } from '../knex/client-facts';
import type { KnexClient } from '../knex/client-shape';
import { acquireTimeoutMillisOf } from '../knex/pool-settings';
import { Ambient } from '../pool/ambient';
import { Register } from '../pool/register';
import { Resets } from '../pool/resets';
import { DEFAULTS } from '../words/options';
import { beginTransaction } from './begin';
import { watchRunner } from './watch-queries';
import type { ConnectionSource, TransactionHost } from './transaction-host';

const { timeoutMillis } = DEFAULTS;

/** Nothing follows for the other connections: they are not ours. */
const UNWATCHED = {
  checkIdleMillis: undefined,
  opened: () => undefined,
  answers: () => Promise.resolve(true),
  onDeath: () => {},
  onError: () => {},
};

export class PlainHost implements TransactionHost, ClientHost, PooledClients {
  readonly settings = { timeoutMillis };
  readonly ambient = new Ambient();
  readonly resets = new Resets();
  readonly transactionLimit = undefined;
  readonly carry = undefined;
  readonly isFatal = isFatal;
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
      register: new Register({ host, real: { present: undefined } }),
      lending: { borrow: () => Promise.reject(new Error('a transaction has no pool')) },
      release: () => false,
    };
    this.#prototype = makeClaimedPrototype(client, this, this);
  }

  get acquireTimeoutMillis(): number {
    return acquireTimeoutMillisOf(this.client);
  }

  opened(): void {}

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
    watchRunner(asking, runner);
  }

  readsWhole(): boolean {
    return false;
  }

  destroyed(): void {}

  initialize(): void {}
}
