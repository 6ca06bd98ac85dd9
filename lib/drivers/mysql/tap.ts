// Passes every statement on a MySQL connection through the statement queue.
import type { StatementSink } from '../statement-sink';
import { CallbackStatement, EarlierStatement, StreamStatement, type Tap } from './statements';
import type { Watch } from './watch';
import {
  type Callback,
  type Command,
  classOf,
  type MysqlConnection,
  pendingOf,
  type Query,
  reasonOf,
  socketOf,
  type Unsent,
  unsent,
} from './wire';

export function tapConnection(connection: MysqlConnection, sink: StatementSink, watch: Watch): () => void {
  const tap: Tap = { connection, sink, watch };
  const socket = socketOf(connection);
  const onError = (error: Error & { fatal?: boolean }) => {
    if (error.fatal) sink.died(error);
  };
  const onClose = () => {
    const reason = reasonOf(connection);
    if (reason) sink.died(reason);
    if (watch.running instanceof StreamStatement) watch.running.fail(reason ?? new Error('Connection closed'));
    sink.ended(isOrderly && reason === undefined);
  };
  let isOrderly = false;
  const onFin = () => {
    isOrderly = true;
  };
  socket.on('end', onFin);
  connection.on('error', onError);
  socket.on('close', onClose);

  if (pendingOf(connection).length > 0) sink.ask(new EarlierStatement(tap));
  const restore = [tapMethod(tap, 'query'), tapMethod(tap, 'execute')];
  return () => {
    connection.off('error', onError);
    socket.off('end', onFin).off('close', onClose);
    for (const undo of restore) undo();
  };
}

function tapMethod(tap: Tap, name: 'query' | 'execute'): () => void {
  const { connection, sink } = tap;
  const send = connection[name];
  if (!send) return () => {};
  const wasOwn = Object.hasOwn(connection, name);
  const tapped: typeof send = (sql, values, callback) => {
    const given = (typeof values === 'function' ? values : callback) as Callback | undefined;
    const bindings = typeof values === 'function' ? undefined : values;
    if (given) {
      const run = (done: Callback) => send.call(connection, sql, bindings, done);
      sink.ask(new CallbackStatement(tap, textOf(sql), run, given));
      return undefined as unknown as Command;
    }
    const run = () => send.call(connection, sql, bindings);
    const { command, start } = name === 'execute' ? unsent(connection, run) : unsentQuery(tap, send, sql, bindings);
    sink.ask(new StreamStatement(tap, command, start));
    return command;
  };
  connection[name] = tapped;
  return () => {
    if (wasOwn) connection[name] = send;
    else delete (connection as Partial<MysqlConnection>)[name];
  };
}

function textOf(sql: unknown): string {
  return typeof sql === 'string' ? sql : ((sql as { sql?: string } | null)?.sql ?? '');
}

function unsentQuery({ connection }: Tap, query: Query, sql: unknown, values: unknown): Unsent {
  const command = commandOf(connection, sql, values);
  return { command, start: () => query.call(connection, command) };
}

/** What query() would return. */
function commandOf(connection: MysqlConnection, sql: unknown, values: unknown): Command {
  if (typeof (sql as Command).emit === 'function') return sql as Command;
  const command = classOf(connection).createQuery(sql, values, undefined, connection.config);
  // mysql does this where it makes the command itself.
  const isOwnTypeCast = typeof sql === 'object' && sql !== null && 'typeCast' in sql;
  if ('typeCast' in command && !isOwnTypeCast) command.typeCast = connection.config.typeCast;
  return command;
}
