// What the drivers of this package have to know of a client.
import type { KnexClient } from './client-shape';

export interface ClientFacts {
  /** What knex calls the driver. */
  readonly driverName: string;
  /** Closes a connection as knex does. */
  close(connection: object): Promise<unknown>;
  /** What makes the sockets of `pg`, where the user has given that: with the connection, or with a pool of his own. */
  streamFactory(): unknown;
}

export function factsOf(client: Pick<KnexClient, 'driverName' | 'destroyRawConnection'>): ClientFacts {
  return {
    driverName: client.driverName,
    close: (connection) => client.destroyRawConnection(connection),
    streamFactory() {
      // A connection function in the config may have given other settings meanwhile.
      const { connectionSettings, config } = client as Partial<KnexClient>;
      const pool = config?.connectionPool as { options?: { stream?: unknown } } | undefined;
      return connectionSettings?.stream ?? pool?.options?.stream;
    },
  };
}
