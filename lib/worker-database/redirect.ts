// A Knex config that leads to another database of the same server, in each form that `connection` may have.
import type { Knex } from 'knex';
import { describe, isPlainObject } from '../words/describe';
import { callable } from '../words/options';

type Connection = Knex.Config['connection'];

export function redirect(config: Knex.Config, database: string): Knex.Config {
  return { ...config, connection: redirectConnection(config.connection, database) };
}

export function redirectConnection(connection: Connection, database: string): Connection {
  if (typeof connection === 'function') {
    const given = checkedConnection(connection) as () => Promise<Connection>;
    return (async () => redirectConnection(await given(), database)) as Knex.ConnectionConfigProvider;
  }
  if (typeof connection === 'string') return redirectString(connection, database);
  const { connectionString } = connection as { connectionString?: unknown };
  const given = { ...(connection as object), database };
  if (typeof connectionString !== 'string') return given;
  return { ...given, connectionString: redirectString(connectionString, database) } as Connection;
}

/** Also the two forms for Unix sockets that pg takes: `/folder database` and `socket:/folder?db=database`. */
function redirectString(text: string, database: string): string {
  const name = encodeURIComponent(database);
  if (text.startsWith('/')) return `${text.split(' ')[0]} ${database}`;
  if (text.startsWith('socket:')) {
    const url = new URL(text);
    url.searchParams.set('db', database);
    return url.href;
  }
  return text.replace(/^([a-z]+:\/\/[^/?#]*)(\/[^?#]*)?/i, (_, server: string) => `${server}/${name}`);
}

/** The same connection, or its provider, which rejects with a TypeError where it gives nothing that leads to a server. */
export function checkedConnection(connection: Connection): unknown {
  if (typeof connection !== 'function') return connection;
  const provider = connection as () => unknown;
  return async () => leadsToServer(await provider(), 'connection()');
}

/** @throws TypeError for what leads to no server by itself */
export function leadsToServer(connection: unknown, what: string): NonNullable<Connection> {
  const isText = typeof connection === 'string' && /^([a-z]+:\/\/|\/|socket:)/i.test(connection);
  if (isText || callable.accepts(connection) || isPlainObject(connection)) return connection as NonNullable<Connection>;
  throw new TypeError(
    `workerDatabase: expected a config with ${what} as a URL, an object or a function, but was given ${describe(connection)}`,
  );
}
