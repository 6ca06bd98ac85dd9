// MySQL and MariaDB through `mysql2` or `mysql`: statements and sessions are ended by KILL, over a second connection.
import { inBackground } from '../../words/foreign';
import { type TimeLimit, within } from '../../words/waiting';
import { type Begin, modesOf } from '../begin';
import type { Driver } from '../driver';
import type { Openings } from '../openings';
import { isSameServer, openSideConnection, SecondConnection } from './side-connection';
import { endsInBetween, Watch } from './watch';
import { PLAIN_ROWS } from './plain-rows';
import { askServerKind } from './server-kind';
import { tapConnection } from './tap';
import { commitsByItself, isCommit, isEndInScript, isRestart, isScript } from '../statement-text';
import { classOf, cut, type MysqlConnection, quit, reasonOf, socketOf } from './wire';

const CLIENT_IGNORE_SPACE = 256;

const ignore = () => {};
const watches = new WeakMap<MysqlConnection, Watch>();

function watchOf(connection: MysqlConnection): Watch {
  const watch = watches.get(connection) ?? new Watch(connection.config.charsetNumber);
  watches.set(connection, watch);
  return watch;
}

/** Sends one statement past the tap. */
function send(connection: MysqlConnection, sql: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    classOf(connection).prototype.query.call(
      connection,
      { sql, ...PLAIN_ROWS },
      (error: Error | null, result: unknown) => {
        watchOf(connection).note(error, result);
        if (error) reject(error);
        else resolve(result);
      },
    );
  });
}

/** Kills the running statement, unless it ended while the second connection was being opened. A later statement is never killed. */
async function killQuery(connection: MysqlConnection, watch: Watch): Promise<void> {
  const { running } = watch;
  const second = new SecondConnection(connection, { isCutWithFirst: true });
  try {
    await second.connected;
    if (watch.running === running) await second.send(`KILL QUERY ${connection.threadId}`);
  } finally {
    inBackground(second.close(1000));
  }
}

/** Requests share one KILL: over a slow network its login may take longer than one request waits, and later requests join it. */
async function cancel(connection: MysqlConnection, limit: TimeLimit): Promise<boolean> {
  const watch = watchOf(connection);
  if (!watch.running) return true;
  watch.cancelling ??= killQuery(connection, watch).finally(() => {
    watch.cancelling = undefined;
  });
  return (
    (await within(
      limit,
      watch.cancelling.then(() => true),
    )) === true
  );
}

const collations = new Map<number, string>();

/**
 * Logs in again on the same connection. COM_RESET_CONNECTION would be quicker, but leaves the database that `USE` chose.
 * Neither restores what the client set at the first login: its collation and IGNORE_SPACE.
 */
async function wash(connection: MysqlConnection): Promise<void> {
  const { config } = connection;
  const watch = watchOf(connection);
  const { charsetNumber } = watch;
  config.charsetNumber = charsetNumber;
  await new Promise<void>((resolve, reject) => {
    connection.changeUser({}, (error) => (error ? reject(error) : resolve()));
  });
  if (!collations.has(charsetNumber)) {
    const named = `SELECT collation_name AS name FROM information_schema.collations WHERE id = ${charsetNumber}`;
    const [row] = (await send(connection, named)) as { name: string }[];
    if (!row) throw new Error(`the server has no collation ${charsetNumber}`);
    collations.set(charsetNumber, row.name);
  }
  const collation = collations.get(charsetNumber) as string;
  const settings = [`NAMES '${collation.split('_')[0]}' COLLATE '${collation}'`];
  if (config.clientFlags & CLIENT_IGNORE_SPACE) settings.push("sql_mode = CONCAT(@@sql_mode, ',IGNORE_SPACE')");
  await send(connection, `SET ${settings.join(', ')}`);
  watch.reset();
}

/** A server may close the socket before it rolls back and frees its locks. So a ROLLBACK is sent first. */
function end(connection: MysqlConnection): void {
  if (connection.reset) connection.reset(ignore);
  else connection.changeUser({ timeout: 0 }, ignore);
  quit(connection);
}

/** The driver's module with a createConnection() that says when one is made: knex shows a connection only once it is open. */
function observeOpening(module: unknown, openings: Openings<MysqlConnection>): unknown {
  const { createConnection } = module as { createConnection(settings: unknown): MysqlConnection };
  const observed = (settings: unknown) => {
    const connection = createConnection(settings);
    openings.add(connection);
    connection.once('error', () => openings.delete(connection));
    return connection;
  };
  return Object.create(module as object, { createConnection: { value: observed, enumerable: true } });
}

/** Knex forgets the comma. */
export const beginOnMysql: Begin = ({ isolationLevel, readOnly }) => {
  if (readOnly !== false && !(readOnly && isolationLevel)) return undefined;
  return [`SET TRANSACTION ${modesOf({ isolationLevel, readOnly }).join(', ')};`, 'BEGIN;'];
};

export function mysqlDriver(name: string): Driver<MysqlConnection> {
  return {
    name,
    begin: beginOnMysql,
    isOwn: (connection) => (connection as Partial<MysqlConnection>).config !== undefined,
    tap: (connection, sink) => tapConnection(connection, sink, watchOf(connection)),
    status: (connection) => watchOf(connection).status,
    isAltered: (connection) => watchOf(connection).isAltered,
    backendId: (connection) => connection.threadId ?? undefined,
    isGone: (connection) =>
      reasonOf(connection) !== undefined || socketOf(connection).destroyed || socketOf(connection).readableEnded,
    // The server says only whether a transaction is open. What has ended it is known by the text.
    hasCommitted: (_connection, { sql, error }) => commitsByItself(sql) || (!error && isCommit(sql)),
    // The server's status is the same before and after. How far a script came that has failed is not known.
    wasRestarted: (_connection, { sql, error, result }) =>
      (isRestart(sql) && (!error || isScript(sql))) || endsInBetween(result),
    commitsSilently: commitsByItself,
    mayHaveEnded: isEndInScript,
    send,
    cancel,
    openSideConnection,
    isSameServer,
    resetSession: wash,
    closeGracefully: end,
    destroySocket: cut,
    observeOpening,
    serverKinds: ['read-write', 'read-only'],
    askServerKind,
  };
}
