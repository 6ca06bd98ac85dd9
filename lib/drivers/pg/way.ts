// How a connection of `pg` reached its server. A side connection or cancel request uses the same way.
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { PgConnection } from './client';

/** The `stream` option of pg: a function that makes the socket. Connectors of managed databases give one. */
export type StreamFactory = (config: unknown) => Duplex;

const factories = new WeakMap<PgConnection, StreamFactory>();
const addresses = new WeakMap<PgConnection, string>();

/** On a connection whose host is an address, to which pg itself makes the socket: the settings say it all. */
const IS_DIRECT = Symbol('knex-reset.isDirect');

type Marked = PgConnection & { [IS_DIRECT]?: true };

/** pg keeps the stream, but not the factory that made it. */
export function rememberFactory(connection: PgConnection, stream: unknown): void {
  if ((connection as Marked)[IS_DIRECT]) return;
  if (typeof stream !== 'function') {
    if (stream === undefined && net.isIP(connection.host) > 0) (connection as Marked)[IS_DIRECT] = true;
  } else if (!factories.has(connection)) factories.set(connection, stream as StreamFactory);
}

/** Where a host's name led. Read while the socket is open: a closed one does not say it. */
export function rememberAddress(connection: PgConnection): void {
  if ((connection as Marked)[IS_DIRECT]) return;
  const { remoteAddress } = connection.connection.stream as Partial<net.Socket>;
  if (remoteAddress !== undefined) addresses.set(connection, remoteAddress);
}

/**
 * What makes a socket that goes the same way; undefined where pg does by itself. A host's name may lead to another server by now,
 * which has other sessions under the same ids.
 */
export function factoryOf(connection: PgConnection): StreamFactory | undefined {
  const address = addresses.get(connection);
  return factories.get(connection) ?? (address === undefined ? undefined : () => socketTo(address));
}

function socketTo(address: string): Duplex {
  const socket = new net.Socket();
  const connect = socket.connect.bind(socket);
  const toAddress = (port: number | string): net.Socket => connect({ port: Number(port), host: address });
  return Object.assign(socket, { connect: toAddress });
}

export function isSameWay(one: PgConnection, other: PgConnection): boolean {
  const { user, database } = one.connectionParameters;
  return (
    one.host === other.host &&
    one.port === other.port &&
    user === other.connectionParameters.user &&
    database === other.connectionParameters.database &&
    addresses.get(one) === addresses.get(other) &&
    factories.get(one) === factories.get(other)
  );
}
