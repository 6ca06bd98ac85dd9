// What every spec of transactions needs: a resettable instance whose way to the server can be hurt, and what was said on it.
import type { Knex } from 'knex';
import type { Resettable, ResettableOptions } from '../../lib';
import { pidOf } from '../support/backend';
import type { TestDatabase } from '../support/database';
import type { FaultProxy } from '../support/fault-proxy';
import { Stage } from '../support/stage';
import { until } from '../support/until';
import { WireTranscript } from '../support/wire-transcript';

export type Db = Knex & Resettable;

/** Any error of a spec's: fields that are not there are undefined. */
export type AnyError = Error & {
  code?: string;
  suppressed?: AnyError[];
  cause?: AnyError;
  errors?: unknown[];
  xid?: string;
  committed?: boolean;
  result?: unknown;
};

/** `t` has an id, `u` a unique id that is checked at COMMIT only, `accounts` a balance. */
const TABLES = `
  create table t (id int primary key);
  create table u (id int unique deferrable initially deferred);
  create table accounts (id int primary key, balance int not null);
`;

/** A stage whose instances all go through one proxy, which is new for each test, like its main instance. */
export class ProxiedStage {
  readonly #stage = new Stage();
  proxy!: FaultProxy;
  transcript!: WireTranscript;
  /** By way of the proxy, with a short `timeoutMillis`. */
  db!: Db;

  get database(): TestDatabase {
    return this.#stage.database;
  }

  /** Another instance by way of the same proxy. */
  make(options: ResettableOptions = {}, overrides: Knex.Config = {}): Db {
    return this.#stage.resettable({ through: this.proxy, ...overrides }, { timeoutMillis: 600, ...options });
  }

  /** What was sent since the last `transcript.clear()`; savepoints are called s1, s2, … in their order. */
  get sql(): string[] {
    const names = new Map<string, string>();
    return this.transcript.sql.map((sql) =>
      sql.replace(/\btrx\d+\b/g, (id) => {
        if (!names.has(id)) names.set(id, `s${names.size + 1}`);
        return names.get(id)!;
      }),
    );
  }

  /** What is committed in a table, seen from outside. */
  async ids(table: 't' | 'u' = 't'): Promise<number[]> {
    return (await this.database.query<{ id: number }>(`select id from ${table} order by id`)).map(({ id }) => id);
  }

  /** Calls back once, when a message that matches is handed on to the server. */
  onceSent(match: RegExp, act: () => unknown): void {
    let isDone = false;
    this.proxy.onMessage(({ bytes }) => {
      if (isDone || !match.test(bytes.toString('latin1'))) return;
      isDone = true;
      act();
    });
  }

  /** Resolves with the backends of the database that run a statement that matches. */
  running(match: RegExp): Promise<number[]> {
    return this.#stage.running(match);
  }

  /** Resolves when no connection of the instance is lent out. */
  idle(db: Db = this.db): Promise<unknown> {
    return until('nothing is in use', () => db.connectionState().connections.inUse === 0);
  }

  async open(options?: ResettableOptions, overrides?: Knex.Config): Promise<void> {
    await this.database.query('truncate t, u, accounts');
    this.proxy = await this.#stage.proxy();
    this.transcript = new WireTranscript(this.proxy);
    this.db = this.make(options, overrides);
    await this.db.raw('select 0'); // the connection is open, and knex has asked for the version
    this.transcript.clear();
  }

  close(): Promise<void> {
    return this.#stage.clear();
  }

  async setUp(): Promise<void> {
    await this.#stage.open();
    await this.database.query(TABLES);
  }

  tearDown(): Promise<void> {
    return this.#stage.close();
  }
}

/** Registers the hooks that put a new stage up around each test of the suite that calls it. */
export function useStage(options?: ResettableOptions, overrides?: Knex.Config): ProxiedStage {
  const stage = new ProxiedStage();
  before(() => stage.setUp());
  after(() => stage.tearDown());
  beforeEach(() => stage.open(options, overrides));
  afterEach(() => stage.close());
  return stage;
}

/** The error that a promise rejects with; one that resolves is a failure of the spec. */
export async function rejection(promise: PromiseLike<unknown>): Promise<AnyError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as AnyError;
  }
  throw new Error(`expected a rejection, but it resolved with ${String(value)}`);
}

/** Marks a promise whose rejection is looked at later, so that it does not count as unhandled. */
export function later<T>(promise: PromiseLike<T>): Promise<T> {
  const real = Promise.resolve(promise);
  real.catch(() => {});
  return real;
}

export { pidOf };
