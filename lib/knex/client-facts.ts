// What a client and its config say: for the drivers of this package, and of its pool, as knex reads it.
import type { KnexClient } from './client-shape';

/** What the drivers of this package have to know. */
export interface ClientFacts {
  /** What knex calls the driver. */
  readonly driverName: string;
  /** Whether knex has got a module with a `Client` from the driver, as `pg` is one. */
  readonly hasClientClass: boolean;
  /** Closes a connection as knex does. */
  close(connection: object): Promise<unknown>;
  /** What makes the sockets of `pg`, where the user has given that: with the connection, or with a pool of his own. */
  streamFactory(): unknown;
}

export function factsOf(client: Pick<KnexClient, 'driver' | 'driverName' | 'destroyRawConnection'>): ClientFacts {
  return {
    driverName: client.driverName,
    hasClientClass: typeof (client.driver as { Client?: unknown } | undefined)?.Client === 'function',
    close: (connection) => client.destroyRawConnection(connection),
    streamFactory() {
      // A connection function in the config may have given other settings meanwhile.
      const { connectionSettings, config } = client as Partial<KnexClient>;
      const pool = config?.connectionPool as { options?: { stream?: unknown } } | undefined;
      return connectionSettings?.stream ?? pool?.options?.stream;
    },
  };
}

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
