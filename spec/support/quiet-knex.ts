// Plain knex instances for specs: the build that KNEX_BUILD names, with a log that records instead of printing.
import type { Knex, knex } from 'knex';

const builds = ['knex', 'knex30', 'knex31'];

export interface LogEntry {
  level: 'debug' | 'deprecate' | 'error' | 'warn';
  message: unknown;
}

const logs = new WeakMap<Knex, LogEntry[]>();

/** A knex on PostgreSQL with an empty pool of at most ten; `overrides` win, key by key inside `pool`. */
export function makeKnex(connection: Knex.Config['connection'], overrides: Knex.Config = {}): Knex {
  const log: LogEntry[] = [];
  const recorder = (level: LogEntry['level']) => (message: unknown) => void log.push({ level, message });
  const db = knexBuild()({
    client: 'pg',
    connection,
    log: {
      debug: recorder('debug'),
      deprecate: recorder('deprecate'),
      error: recorder('error'),
      warn: recorder('warn'),
    },
    ...overrides,
    pool: { min: 0, max: 10, ...overrides.pool },
  });
  logs.set(db, log);
  return db;
}

/** What an instance of `makeKnex` would have printed so far. */
export function logOf(db: Knex): readonly LogEntry[] {
  return logs.get(db) ?? [];
}

/** Why the build under test takes no pool of the user's; undefined: it takes one. */
export function whyNoConnectionPool(): string | undefined {
  const { client } = knexBuild()({ client: 'pg' });
  return typeof client.initializeExternalPool === 'function' ? undefined : 'connectionPool: from knex 3.2 on';
}

/** Why the build under test has no way to check a pool's connections; undefined: it has one. */
export function whyNoValidate(): string | undefined {
  // Knex gives the settings that it does not know to tarn.
  const settings = knexBuild()({ client: 'pg' }).client.getPoolSettings({ maxConnectionLifetimeMillis: 1 }) as object;
  return 'maxConnectionLifetimeMillis' in settings ? 'validate: from knex 3.2 on' : undefined;
}

/** The knex function of the build under test, for values such as `KnexTimeoutError`. */
export function knexBuild(): typeof knex {
  const name = process.env.KNEX_BUILD ?? 'knex';
  if (!builds.includes(name)) throw new Error(`KNEX_BUILD is ${name}, expected one of ${builds.join(', ')}`);
  return (require(name) as { knex: typeof knex }).knex;
}
