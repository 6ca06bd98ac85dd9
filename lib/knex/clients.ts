// The clients of one instance: its own, and those of its copies and transactions. All are of one class, and one opener opens every connection.
import { type BatchAsked, watchBatchInserts } from './batch-insert';
import { watchBuilders } from './builders';
import { claim, claimTransaction, inheritPool } from './identity';
import { type ClientHost, makeClaimedPrototype, type PooledClients } from './client-class';
import type { KnexClient } from './client-shape';
import { buildRealPool, openBy, openerOf, type OpenerHost } from './opener';
import type { KnexPool, Tarn } from './pool-shape';

/** What the clients need from the rest of their instance. */
export interface ClientsHost extends ClientHost {
  /** The one that all of them see. */
  readonly pool: KnexPool & { readonly destroyed: boolean };
  /** `knex.initialize()`, after a `destroy()`. */
  reopen(): void;
}

export class Clients implements PooledClients {
  readonly #host: ClientsHost;
  readonly #prototype: object;
  readonly #opener: KnexClient;
  /** Those that were destroyed: they have the pool again when the instance is open again. */
  readonly #dormant = new Set<KnexClient>();
  /** What the next generation's pool is built with. */
  #config: object;

  constructor(client: KnexClient, host: ClientsHost, opening: OpenerHost) {
    this.#host = host;
    this.#config = client.config;
    this.#prototype = makeClaimedPrototype(client, host, this);
    inheritPool(this.#prototype, host.pool);
    this.#opener = openerOf(client, opening);
  }

  /** Makes a client, that of the instance or of a copy, one of the instance's. */
  attach(client: KnexClient): void {
    claim(client, this.#host.pool, this.#prototype);
  }

  /** The same for the client of a transaction that knex has begun before. */
  attachTransaction(client: object): void {
    claimTransaction(client, this.#prototype);
  }

  /** Tells of each builder that is made from now on, and of each batch insert that is asked of the instance itself. */
  watchAsked(knex: object, made: (builder: object, entry: unknown) => void, batch: BatchAsked): void {
    watchBuilders(this.#prototype, made);
    watchBatchInserts(knex, batch);
  }

  /** A pool that knex has built before opens its connections as ours do. */
  openFor(tarn: Tarn): void {
    openBy(this.#opener, tarn);
  }

  /** Lets knex build the pool of a generation. */
  buildPool(): Tarn {
    return buildRealPool(this.#opener, this.#config);
  }

  initialize(client: KnexClient, config: object | undefined): void {
    this.#config = config ?? this.#config;
    this.#host.reopen();
    client.pool = this.#host.pool;
  }

  get areDestroyed(): boolean {
    return this.#host.pool.destroyed;
  }

  destroyed(client: KnexClient): void {
    // The instance may have been opened again before it was destroyed.
    if (!this.areDestroyed) return;
    client.pool = undefined;
    this.#dormant.add(client);
  }

  /** The instance is open again. */
  wake(): void {
    if (this.#dormant.size === 0) return;
    for (const client of this.#dormant) client.pool = this.#host.pool;
    this.#dormant.clear();
  }
}
