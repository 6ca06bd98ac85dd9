// All error codes that this package knows, with what each means: one table for each source of codes. A server's texts are not read, since
// servers translate them. Which meanings end a connection is in fatal-errors.ts.
import { read } from '../words/foreign';

/** What follows from an error. */
export type Meaning =
  /** The connection cannot be used any more. */
  | 'fatal'
  /** The server has said that it ends the session, which proves more than a closed socket does. */
  | 'endsSession'
  /** The connection was lost on its way: an answer may have been under way. */
  | 'lostConnection'
  /** The server itself may end as well. */
  | 'mayEndServer'
  /** A socket is broken. The error does not say which one. */
  | 'brokenSocket'
  /** The whole transaction can succeed if it is run again. */
  | 'retry'
  /** The server has rolled the whole transaction back. */
  | 'rolledBack'
  /** The server may have rolled the whole transaction back. */
  | 'mayBeRolledBack'
  /** Refused because an earlier statement of the transaction failed. */
  | 'inFailedTransaction'
  /** There is no savepoint of that name. */
  | 'noSavepoint'
  /** Refused because the server, or its session, is read-only. */
  | 'readOnly'
  /** A lock was not granted in time. */
  | 'lockTimeout'
  /** Another session, or a limit of its own, has ended the statement. */
  | 'cancelled'
  /** The client has stopped waiting, but the server still runs the statement. */
  | 'clientTimeout'
  /** No error: the server warns. */
  | 'warning'
  | 'noTable'
  | 'noDatabase'
  | 'noSession'
  /** Other sessions use it. */
  | 'inUse'
  | 'forbidden'
  /** A statement that was prepared earlier no longer fits the schema. */
  | 'outdated';

interface Entry {
  readonly is: readonly Meaning[];
  /** The number of the error, where a driver knows no name for it. */
  readonly errno?: number;
  /** The code has other meanings too. Only errors whose text contains this are meant. */
  readonly text?: RegExp;
}

type CodeTable = Readonly<Record<string, Entry>>;

/** PostgreSQL. Two characters stand for all codes that begin with them. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SQLSTATES: CodeTable = {
  '08': { is: ['fatal', 'lostConnection'] }, // the connection was lost, or could not be established
  '57P01': { is: ['fatal', 'endsSession'] }, // the server is being shut down, or the session was terminated
  '57P02': { is: ['fatal', 'endsSession'] }, // another session has crashed, and the server ends them all
  '57P03': { is: ['fatal', 'endsSession'] }, // the server starts, recovers or shuts down: nobody can log in
  '57P04': { is: ['fatal', 'endsSession'] }, // the database was dropped
  '57P05': { is: ['fatal', 'endsSession'] }, // the session was idle for too long
  '25P03': { is: ['fatal', 'endsSession'] }, // the transaction was idle for too long
  '25P04': { is: ['fatal', 'endsSession'] }, // the transaction has taken too long
  '53300': { is: ['fatal'] }, // the server has too many connections to take this one
  '58': { is: ['fatal', 'mayEndServer'] }, // the operating system has failed the server
  F0: { is: ['fatal', 'mayEndServer'] }, // the server's configuration is broken
  XX: { is: ['fatal', 'mayEndServer'] }, // the server has met a fault of its own, or corrupted data
  '01000': { is: ['warning'] }, // a warning: also that of a COMMIT whose wait for a standby was cut short
  '40001': { is: ['retry'] }, // the transaction cannot be serialized with others
  '40P01': { is: ['retry'] }, // the transaction was the victim of a deadlock
  '25P02': { is: ['inFailedTransaction'] }, // an earlier statement of the transaction failed
  '3B001': { is: ['noSavepoint'] }, // there is no such savepoint
  '25006': { is: ['readOnly'] }, // the transaction is read-only, or the server a standby
  '55P03': { is: ['lockTimeout'] }, // the lock was not to be had within lock_timeout
  '57014': { is: ['cancelled'] }, // the statement was cancelled, or ran past statement_timeout
  '55006': { is: ['inUse'] }, // other sessions use the database
  '42501': { is: ['forbidden'] }, // the role has not the right to do that
  '3D000': { is: ['noDatabase'] }, // there is no such database
  '42P01': { is: ['noTable', 'outdated'] }, // there is no such table
  '3F000': { is: ['outdated'] }, // there is no such schema
  '42703': { is: ['outdated'] }, // there is no such column
  '26000': { is: ['outdated'] }, // the prepared statement is not there: a pooler has lent another connection
  '42P05': { is: ['outdated'] }, // the prepared statement is there: a pooler has lent another connection
};

/** MySQL and MariaDB. https://github.com/sidorares/node-mysql2/blob/master/lib/constants/errors.js */
const MYSQL_CODES: CodeTable = {
  ER_SERVER_SHUTDOWN: { errno: 1053, is: ['fatal', 'endsSession'] }, // the server is being shut down
  ER_CONNECTION_KILLED: { errno: 1927, is: ['fatal', 'endsSession'] }, // the session was killed
  ER_CON_COUNT_ERROR: { errno: 1040, is: ['fatal'] }, // the server has too many connections
  ER_CLIENT_INTERACTION_TIMEOUT: { errno: 4031, is: ['fatal', 'endsSession'] }, // it was idle for too long
  ER_LOCK_DEADLOCK: { errno: 1213, is: ['retry', 'rolledBack', 'mayBeRolledBack'] }, // the transaction was the victim of a deadlock
  ER_LOCK_WAIT_TIMEOUT: { errno: 1205, is: ['lockTimeout', 'mayBeRolledBack'] }, // the lock was not to be had in time; innodb_rollback_on_timeout rolls back at that
  ER_LOCK_TABLE_FULL: { errno: 1206, is: ['mayBeRolledBack'] }, // the server has no room for another lock
  ER_CHECKREAD: { errno: 1020, is: ['mayBeRolledBack'] }, // the row has changed since it was read; innodb_snapshot_isolation rolls back at that
  ER_QUERY_INTERRUPTED: { errno: 1317, is: ['cancelled'] }, // the statement was cancelled
  ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION: { errno: 1792, is: ['readOnly'] }, // the transaction is read-only
  ER_READ_ONLY_MODE: { errno: 1836, is: ['readOnly'] }, // the server is in read-only mode
  // The option's name, which no server translates.
  ER_OPTION_PREVENTS_STATEMENT: { errno: 1290, text: /read[-_]only/i, is: ['readOnly'] }, // an option of the server forbids the statement, which its text names
  ER_NO_SUCH_TABLE: { errno: 1146, is: ['noTable'] }, // there is no such table
  ER_NO_SUCH_THREAD: { errno: 1094, is: ['noSession'] }, // the session that is to be killed is not there
};

/** SQLite. https://www.sqlite.org/rescode.html */
const SQLITE_CODES: CodeTable = {
  SQLITE_BUSY: { is: ['lockTimeout'] }, // another process has the lock
  SQLITE_BUSY_RECOVERY: { is: ['lockTimeout'] }, // another process recovers the log
  SQLITE_BUSY_SNAPSHOT: { is: ['lockTimeout'] }, // another connection has written since this one has read
  SQLITE_BUSY_TIMEOUT: { is: ['lockTimeout'] }, // another process has kept the lock for too long
  SQLITE_INTERRUPT: { is: ['cancelled'] }, // the statement was cancelled
  SQLITE_LOCKED: { is: ['lockTimeout'] }, // another statement of the same connection has the lock
  SQLITE_LOCKED_SHAREDCACHE: { is: ['lockTimeout'] }, // another connection with the same cache has the lock
  SQLITE_LOCKED_VTAB: { is: ['lockTimeout'] }, // a virtual table is locked
  SQLITE_MISUSE: { text: /Database (handle )?is closed$/, is: ['fatal'] }, // sqlite3 says so of a closed connection, which its text names
};

/** Sockets and the drivers themselves. */
const CLIENT_CODES: CodeTable = {
  ECONNRESET: { is: ['fatal', 'brokenSocket'] }, // the other end has closed the socket at once
  EPIPE: { is: ['fatal', 'brokenSocket'] }, // the socket was closed before this was written
  ETIMEDOUT: { is: ['fatal', 'brokenSocket'] }, // the other end did not answer
  ECONNREFUSED: { is: ['fatal', 'brokenSocket'] }, // nothing listens there
  ECONNABORTED: { is: ['fatal', 'brokenSocket'] }, // the system has ended the connection
  EHOSTUNREACH: { is: ['fatal', 'brokenSocket'] }, // no route leads to the host
  ENETUNREACH: { is: ['fatal', 'brokenSocket'] }, // no route leads to the network
  PROTOCOL_CONNECTION_LOST: { is: ['fatal'] }, // the server has closed the connection
  PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR: { is: ['fatal'] }, // the connection had a fatal error before
  PROTOCOL_ENQUEUE_AFTER_QUIT: { is: ['fatal'] }, // the connection was closed before
  PROTOCOL_SEQUENCE_TIMEOUT: { is: ['clientTimeout'] }, // mysql2 has given up waiting, the server goes on
};

/** Errors to which pg, mysql2 and better-sqlite3 give no code. The texts are their own, in English everywhere. */
const WITHOUT_CODE: readonly Entry[] = [
  { text: /Connection terminated( unexpectedly)?$/, is: ['fatal'] }, // the socket was closed
  { text: /Can't add new command when connection is in closed state$/, is: ['fatal'] }, // the connection was closed before
  { text: /The database connection is not open$/, is: ['fatal'] }, // it was closed before
  { text: /Client (was closed|has .* error) and is not queryable$/, is: ['fatal'] }, // it was closed before
  { text: /^(timeout expired|.* due to connection timeout)$/, is: ['fatal'] }, // it was not open in time
  { text: /Query read timeout$/, is: ['clientTimeout'] }, // pg has given up waiting, the server goes on
];

/** The code of an error of ours: a connection to the right server could not be established. */
export const NOT_ESTABLISHED = '08001';

// Made with the first error.
let all: ReadonlyMap<string, Entry> | undefined;
let ofMysql: ReadonlyMap<unknown, Entry> | undefined;

function byText(code: string): Entry | undefined {
  all ??= new Map(Object.entries({ ...SQLSTATES, ...MYSQL_CODES, ...SQLITE_CODES, ...CLIENT_CODES }));
  return all.get(code);
}

function byNumber(errno: unknown): Entry | undefined {
  ofMysql ??= new Map(Object.values(MYSQL_CODES).map((entry) => [entry.errno, entry]));
  return ofMysql.get(errno);
}

/** Whether an error means that. */
export function means(error: unknown, meaning: Meaning): boolean {
  if (error === null || error === undefined) return false;
  return entryOf(error)?.is.includes(meaning) ?? false;
}

function entryOf(error: unknown): Entry | undefined {
  const code = read(error, 'code');
  const known = byCode(code) ?? (mayBeMysql(code) ? byNumber(read(error, 'errno')) : undefined);
  if (known) return known.text === undefined || isText(error, known.text) ? known : undefined;
  return typeof code === 'string' ? undefined : WITHOUT_CODE.find(({ text }) => text && isText(error, text));
}

function byCode(code: unknown): Entry | undefined {
  if (typeof code !== 'string') return undefined;
  return byText(code) ?? (code.length === 5 ? byText(code.slice(0, 2)) : undefined);
}

/** SQLite has numbers as well. A MySQL driver may have no name for a number. */
function mayBeMysql(code: unknown): boolean {
  return typeof code !== 'string' || /^(ER_|UNKNOWN_)/.test(code);
}

/** In jest and in `vm`, a driver's Error is another class than the global one. */
function isText(error: unknown, text: RegExp): boolean {
  const message = read(error, 'message');
  return typeof message === 'string' && text.test(message);
}
