// A connection opened the way a config says, outside of any pool.
import knex, { type Knex } from 'knex';

interface RawClient {
  acquireRawConnection(): Promise<object>;
}

/** What leads to the server, and nothing that is set on each connection of the pool. */
export async function openRawConnection(config: Knex.Config, connection: unknown): Promise<object> {
  const settings = typeof connection === 'function' ? await (connection as () => unknown)() : connection;
  const { client } = knex({
    ...config,
    connection: settings as object,
    pool: { min: 0, max: 1 },
    searchPath: undefined as never,
  });
  return (client as RawClient).acquireRawConnection();
}

const ALIASES: Record<string, string> = { postgres: 'pg', postgresql: 'pg' };

/** What knex calls the driver of a config, which may not be installed. */
export function driverNameOf({ client, dialect }: Knex.Config): string {
  const given: unknown = client ?? dialect;
  if (typeof given === 'string') return ALIASES[given] ?? given;
  const { prototype } = (given ?? {}) as { prototype?: { driverName?: unknown } };
  return String(prototype?.driverName);
}
