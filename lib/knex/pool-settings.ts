// What the config of an instance says of its pool, as knex reads it.
import type { KnexClient } from './client-shape';

/** Whether the user gave the pool (`connectionPool`). */
export function hasExternalPool(client: KnexClient): boolean {
  return client._ownsPool === false;
}

/** Whether knex would lend a connection without a check: its config has none, and that of its driver is empty. */
export function lendsUnasked({ config, connectionConfigProvider, driverName }: KnexClient): boolean {
  const { validate, maxConnectionLifetimeMillis } = (config.pool ?? {}) as {
    validate?: unknown;
    maxConnectionLifetimeMillis?: unknown;
  };
  return driverName === 'pg' && !validate && !maxConnectionLifetimeMillis && !connectionConfigProvider;
}

/** How long knex waits for a connection: the smaller of two settings, as knex has it. */
export function acquireTimeoutMillisOf({ config }: { readonly config: object }): number {
  const { acquireConnectionTimeout, pool } = config as { acquireConnectionTimeout?: unknown; pool?: object };
  const { acquireTimeoutMillis } = (pool ?? {}) as { acquireTimeoutMillis?: unknown };
  const given = [acquireConnectionTimeout, acquireTimeoutMillis].filter((each) => typeof each === 'number');
  return given.length > 0 ? Math.min(...given) : 60_000;
}
