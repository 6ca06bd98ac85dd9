// The parts of a mysql or mysql2 connection that are used here, and what differs between the two drivers. Their private fields are named in this file only.
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

export type Callback = (error: Error | null | undefined, ...results: unknown[]) => void;

/** A statement as the driver holds it, from its query() to its `end` event. */
export interface Command extends EventEmitter {
  sql?: string;
  typeCast?: unknown;
  /** mysql2's callback, and mysql's. */
  onResult?: Callback;
  _callback?: Callback;
}

export type Query = (sql: unknown, values?: unknown, callback?: unknown) => Command;

export interface Config {
  readonly host?: unknown;
  readonly port?: unknown;
  readonly socketPath?: unknown;
  readonly user?: unknown;
  readonly stream?: unknown;
  database?: string;
  charsetNumber: number;
  clientFlags: number;
  typeCast?: unknown;
}

export interface MysqlConnection extends EventEmitter {
  query: Query;
  execute?: Query;
  config: Config;
  threadId: number | null;
  connect(callback: Callback): void;
  end(options?: object, callback?: Callback): unknown;
  changeUser(options: object, callback: Callback): unknown;
  reset?(callback: Callback): unknown;
  resume(): void;
  // mysql2
  stream?: Socket;
  _fatalError?: Error | null;
  _protocolError?: Error | null;
  _command?: Command | null;
  _commands?: { toArray(): Command[] };
  addCommand?: (command: Command) => unknown;
  // mysql
  _socket?: Socket;
  _protocol?: { _queue: Command[]; _fatalError: Error | null };
}

interface ConnectionClass {
  new (options: { config: object }): MysqlConnection;
  readonly prototype: MysqlConnection;
  createQuery(sql: unknown, values: unknown, callback: undefined, config: Config): Command;
}

/** The driver's class of plain connections: one that belongs to a native pool has a subclass, which does other things at `end()`. */
export function classOf(connection: MysqlConnection): ConnectionClass {
  const own = Object.getPrototypeOf(connection) as MysqlConnection;
  const plain = '_pool' in connection ? (Object.getPrototypeOf(own) as MysqlConnection) : own;
  return plain.constructor as ConnectionClass;
}

export function socketOf(connection: MysqlConnection): Socket {
  return (connection.stream ?? connection._socket) as Socket;
}

/** Why the connection cannot be used any more, once the driver has said so. */
export function reasonOf(connection: MysqlConnection): Error | undefined {
  return connection._fatalError ?? connection._protocolError ?? connection._protocol?._fatalError ?? undefined;
}

/** The statements that the driver has and that are not answered yet. */
export function pendingOf(connection: MysqlConnection): Command[] {
  const { _command, _commands, _protocol } = connection;
  return [...(_command ? [_command] : []), ...(_commands?.toArray() ?? []), ...(_protocol?._queue ?? [])];
}

/** A statement that was made and not sent, and how it is. */
export interface Unsent {
  command: Command;
  start(): unknown;
}

/** What the call would send to mysql2, which has no other way to make what execute() returns: one that prepares, one that executes. */
export function unsent(connection: MysqlConnection, call: () => Command): Unsent {
  const own = Object.getOwnPropertyDescriptor(connection, 'addCommand');
  const parts: Command[] = [];
  const keep = (part: Command) => parts.push(part);
  connection.addCommand = keep;
  try {
    const command = call();
    return { command, start: () => parts.forEach((part) => connection.addCommand?.(part)) };
  } finally {
    if (own) Object.defineProperty(connection, 'addCommand', own);
    else delete connection.addCommand;
  }
}

export function isMysql2(connection: MysqlConnection): boolean {
  return connection._protocol === undefined;
}

/** Destroys the socket so that the driver notices, also while it is connecting. */
export function cut(connection: MysqlConnection): void {
  // mysql notices a closed socket only by its `error` and `end` events.
  socketOf(connection).destroy(isMysql2(connection) ? undefined : new Error('The connection was cut by knex-reset'));
}

/** Sends a goodbye when every statement that the driver has is answered. */
export function quit(connection: MysqlConnection): void {
  const { end } = classOf(connection).prototype;
  // mysql's own limit of 30 s would keep the process alive.
  if (isMysql2(connection)) end.call(connection);
  else end.call(connection, { timeout: 0 }, () => {});
}
