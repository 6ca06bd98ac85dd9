// A connection opened the way a config says, outside of any pool.
import knex, { type Knex } from 'knex';
import { hasExternalPool } from './client-facts';
import { read } from '../words/foreign';
import type { KnexClient } from './client-shape';

/** What leads to the server, and nothing that is set on each connection of the pool. */
export async function openRawConnection(config: Knex.Config, connection: unknown): Promise<object> {
  const settings = typeof connection === 'function' ? await (connection as () => unknown)() : connection;
  const { client } = knex({
    ...config,
    connection: settings as object,
    pool: { min: 0, max: 1 },
    searchPath: undefined as never,
  });
  return (client as KnexClient).acquireRawConnection();
}

/** Whether the config says how to open a connection: with `connectionPool` it need not. */
export function canOpenBesidePool({ client }: Knex): boolean {
  const { config, connectionSettings, connectionConfigProvider } = client as KnexClient;
  // Knex has settings there too, which say nothing.
  if (hasExternalPool(client as KnexClient) && !read(config, 'connection')) return false;
  return Boolean(connectionSettings ?? connectionConfigProvider);
}

/**
 * Opens a connection as the pool would: the connection provider is asked, the search path set, `afterCreate` called.
 * @param observed the driver's module, made to tell of what is opened through it
 */
export function openBesidePool({ client }: Knex, observed: (module: unknown) => unknown): Promise<object> {
  // What is asked of a connection provider is for this connection alone.
  const opener = Object.create(client as KnexClient) as KnexClient;
  Object.defineProperty(opener, 'driver', { value: observed(opener.driver) });
  return opener.getPoolSettings(opener.config.pool ?? {}).create();
}

const ALIASES: Record<string, string> = {
  postgres: 'pg',
  postgresql: 'pg',
  sqlite: 'sqlite3',
  'pg-native': 'pgnative',
};
/** What knex has drivers for. */
const DRIVERS = /^(pg|pgnative|cockroachdb|redshift|mysql2?|mssql|oracledb|(better-)?sqlite3)$/;

/** What knex calls the driver of a config, which may not be installed. Undefined for what names none of knex's: it may be a secret. */
export function driverNameOf(config: Knex.Config): string | undefined {
  const given = read(config, 'client') ?? read(config, 'dialect');
  const name = typeof given === 'string' ? given : read(read(given, 'prototype'), 'driverName');
  if (typeof name !== 'string') return undefined;
  const driver = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  return driver !== undefined && DRIVERS.test(driver) ? driver : undefined;
}
