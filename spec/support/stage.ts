// What the specs of a `describe` play on: a database of their own, instances on it, and proxies before it; all of it is cleared away by itself.
import type { Knex } from 'knex';
import { type Resettable, resettable, type ResettableOptions } from '../../lib';
import { freshDatabase, type TestDatabase } from './database';
import { FaultProxy } from './fault-proxy';
import { makeKnex } from './quiet-knex';
import { until } from './until';

/** What `leftOnServer()` says once the server has let go. */
export const NOTHING = { backends: [], locks: [] };

export type ResettableKnex = Knex & Resettable;

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
  readonly #plain = new Set<Knex>();
  readonly #resettable = new Set<ResettableKnex>();
  readonly #proxies = new Set<FaultProxy>();

  get database(): TestDatabase {
    if (!this.#database) throw new Error('a stage has its database from its before hook on');
    return this.#database;
  }

  /** A plain knex; config keys as for `makeKnex`. */
  knex({ through, ...config }: StageConfig = {}): Knex {
    const { connection } = this.database;
    const isPooled = 'connectionPool' in config;
    const db = makeKnex(through ? through.through(connection) : connection, {
      ...(isPooled && { connection: undefined }),
      ...config,
    });
    this.#plain.add(db);
    return db;
  }

  /** A resettable knex with an empty pool. */
  resettable(config: StageConfig = {}, options?: ResettableOptions): ResettableKnex {
    return this.adopt(resettable(this.knex(config), options));
  }

  /** Sees to the end of an instance that was made elsewhere. */
  adopt(db: ResettableKnex): ResettableKnex {
    this.#plain.delete(db);
    this.#resettable.add(db);
    return db;
  }

  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.to(this.database.connection);
    this.#proxies.add(proxy);
    return proxy;
  }

  /** Resolves with the process ids of the backends that run a statement with this in it. */
  async running(sql: string, count = 1): Promise<number[]> {
    let pids: number[] = [];
    await until(`${count} × "${sql}" run on the server`, async () => {
      const backends = await this.database.backends();
      pids = backends.filter(({ state, query }) => state === 'active' && query.includes(sql)).map(({ pid }) => pid);
      return pids.length >= count;
    });
    return pids;
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
    await Promise.all([...this.#resettable].map((db) => end(db)));
    await Promise.all([...this.#plain].map((db) => db.destroy()));
    await Promise.all([...this.#proxies].map((proxy) => proxy.close()));
    for (const each of [this.#resettable, this.#plain, this.#proxies]) each.clear();
  }

  async close(): Promise<void> {
    await this.database.drop();
  }
}

async function end(db: ResettableKnex): Promise<void> {
  // A test may leave a transaction open, for which destroy() alone would wait.
  await db.resetConnection({ reason: 'the test is over', timeoutMillis: 500 });
  await db.destroy();
}
