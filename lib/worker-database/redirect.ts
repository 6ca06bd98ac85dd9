// A Knex config that leads to another database of the same server, in each form that `connection` may have.
import type { Knex } from 'knex';
import { isPlainObject } from '../words/describe';

type Connection = Knex.Config['connection'];

export function redirect(config: Knex.Config, database: string): Knex.Config {
  return { ...config, connection: redirectConnection(config.connection, database) };
}

export function redirectConnection(connection: Connection, database: string): Connection {
  if (typeof connection === 'function') {
    const provider = connection as () => unknown;
    const redirected = async () => redirectConnection((await provider()) as Connection, database);
    return redirected as Knex.ConnectionConfigProvider;
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

/** @throws TypeError for what leads to no server by itself */
export function isRedirectable(connection: unknown): connection is NonNullable<Connection> {
  if (typeof connection === 'string') return /^([a-z]+:\/\/|\/|socket:)/i.test(connection);
  return typeof connection === 'function' || isPlainObject(connection);
}
