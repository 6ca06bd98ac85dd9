// What the specs of a `describe` play on: a database of their own, instances on it, and proxies before it; all of it is cleared away by itself.
import type { Knex } from 'knex';
import type { ResettableOptions } from '../../lib';
import { freshDatabase, type TestDatabase } from './database';
import { FaultProxy } from './fault-proxy';
import { Instances, type ResettableKnex } from './instances';
import { makeKnex } from './quiet-knex';
import { until } from './until';

/** What `leftOnServer()` says once the server has let go. */
export const NOTHING = { backends: [], locks: [] };

export type { ResettableKnex } from './instances';

export interface StageConfig extends Knex.Config {
  /** The way to the database. */
  through?: FaultProxy | undefined;
}

/** Registers the hooks of a stage in the `describe` that calls it. */
export function useStage(): Stage {
  const stage = new Stage();
  before(() => stage.open());
  afterEach(() => stage.clear());
  after(() => stage.close());
  return stage;
}

export class Stage {
  #database: TestDatabase | undefined;
  readonly #instances = new Instances();
  readonly #proxies = new Set<FaultProxy>();

  get database(): TestDatabase {
    if (!this.#database) throw new Error('a stage has its database from its before hook on');
    return this.#database;
  }

  /** A plain knex; config keys as for `makeKnex`. */
  knex({ through, ...config }: StageConfig = {}): Knex {
    const { connection } = this.database;
    const isPooled = 'connectionPool' in config;
    return this.#instances.plain(
      makeKnex(through ? through.through(connection) : connection, {
        ...(isPooled && { connection: undefined }),
        ...config,
      }),
    );
  }

  /** A resettable knex with an empty pool. */
  resettable(config: StageConfig = {}, options?: ResettableOptions): ResettableKnex {
    return this.#instances.resettable(this.knex(config), options);
  }

  /** Sees to the end of an instance that was made elsewhere. */
  adopt(db: ResettableKnex): ResettableKnex {
    return this.#instances.adopt(db);
  }

  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.to(this.database.connection);
    this.#proxies.add(proxy);
    return proxy;
  }

  /** Resolves with the process ids of the backends that run a statement with this in it, or that matches. */
  running(match: string | RegExp, count = 1): Promise<number[]> {
    const isMeant = (sql: string) => (typeof match === 'string' ? sql.includes(match) : match.test(sql));
    return until(`${count} × "${match}" run on the server`, async () => {
      const backends = await this.database.backends();
      const pids = backends.filter(({ state, query }) => state === 'active' && isMeant(query)).map(({ pid }) => pid);
      return pids.length >= count ? pids : undefined;
    });
  }

  /** What the server holds for anybody on this database, at this moment: empty lists once it has let go. */
  async leftOnServer(): Promise<{ backends: string[]; locks: string[] }> {
    const backends = await this.database.backends();
    const locks = await this.database.locks();
    return {
      backends: backends.map(({ pid, state, query }) => `${pid} ${state}: ${query}`),
      locks: locks.map(({ pid, mode, locktype }) => `${pid} ${mode} ${locktype}`),
    };
  }

  async open(): Promise<void> {
    this.#database = await freshDatabase();
  }

  /** Ends the instances and proxies made since the last time. */
  async clear(): Promise<void> {
    for (const proxy of this.#proxies) Object.assign(proxy, { mode: 'pass', delayMillis: 0 }).thaw();
    await this.#instances.end();
    await Promise.all([...this.#proxies].map((proxy) => proxy.close()));
    this.#proxies.clear();
  }

  async close(): Promise<void> {
    await this.database.drop();
  }
}
