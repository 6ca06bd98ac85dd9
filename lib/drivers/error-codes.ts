// Which errors end a connection, and which are worth another attempt. Decided by codes: texts are translated by servers.
import { TransactionFailedError } from '../words/errors';
import { read } from '../words/foreign';

const FATAL_SQLSTATES = /^(08...|57P0[1-5]|25P0[34]|58...|F0...|XX...)$/;
const FATAL_SOCKET_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** mysql and mysql2: https://github.com/sidorares/node-mysql2/blob/master/lib/constants/errors.js */
const FATAL_DRIVER_CODES = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_ENQUEUE_AFTER_QUIT',
  'ER_SERVER_SHUTDOWN',
  'ER_CONNECTION_KILLED',
]);
/** pg and mysql2 give these no code. The texts are their own, in English everywhere. */
const DRIVER_GONE =
  /(Connection terminated( unexpectedly)?|Can't add new command when connection is in closed state|Client has encountered a connection error and is not queryable|Client was closed and is not queryable)$/;
const RETRYABLE_CODES = new Set(['40001', '40P01', 'ER_LOCK_DEADLOCK']);
const ENDING_CODES = /^(57P0[1-5]|25P0[34]|ER_SERVER_SHUTDOWN|ER_CONNECTION_KILLED)$/;
const TOO_MANY_CONNECTIONS = '53300';

function codeOf(error: unknown): string | undefined {
  const code = read(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/**
 * Whether an error means that its connection cannot be used any more: SQLSTATE classes 08, 58, F0 and XX, 57P01 to 57P05, 25P03, 25P04,
 * 53300 while connecting, the codes of a broken socket, and the drivers' own errors for a connection that is gone.
 * Not fatal are 57014, 55P03, 40001, 40P01, 25P02, 0A000, and the errors of constraints.
 *
 * @example
 * if (isFatal(error)) metrics.count('lost-connection');
 * @see docs/production.md#when-the-database-goes-away
 */
export function isFatal(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return isGoneByText(error);
  if (FATAL_SOCKET_CODES.has(code) || FATAL_DRIVER_CODES.has(code) || FATAL_SQLSTATES.test(code)) return true;
  return code === TOO_MANY_CONNECTIONS;
}

/** By the text of drivers that give no code. In jest and in `vm` the Error of a driver is another than the global one. */
function isGoneByText(error: unknown): boolean {
  const message = read(error, 'message');
  return typeof message === 'string' && DRIVER_GONE.test(message);
}

/**
 * Whether the whole transaction can succeed if it is run again: a serialization failure (40001) or a deadlock (40P01), also one that
 * the callback swallowed, which then is the cause of a `TransactionFailedError`.
 *
 * @example
 * await db.atomic(block, { retry: { attempts: 3, when: (error) => isRetryable(error) } });
 * @see docs/transactions.md#retry-and-verifycommit
 */
export function isRetryable(error: unknown): boolean {
  const code = codeOf(error instanceof TransactionFailedError ? error.cause : error);
  return code !== undefined && RETRYABLE_CODES.has(code);
}

/** The code of a broken socket: of whose, the error does not say. */
export function isSocketError(error: unknown): boolean {
  return FATAL_SOCKET_CODES.has(codeOf(error) ?? '');
}

/** The server has said that it ends the session, which proves more than a closed socket does. */
export function endsSession(error: unknown): boolean {
  return ENDING_CODES.test(codeOf(error) ?? '');
}

/** RELEASE, or ROLLBACK TO, of a savepoint that is not there. */
export function isNoSavepoint(error: unknown): boolean {
  return codeOf(error) === '3B001';
}

/** A statement refused because an earlier one of its transaction failed. */
export function isInFailedTransaction(error: unknown): boolean {
  return codeOf(error) === '25P02';
}

/** 1290 is for every option that forbids a statement: it names the one, which no server translates. */
const READ_ONLY_OPTION = /read[-_]only/i;
const ER_OPTION_PREVENTS_STATEMENT = 1290;
const READ_ONLY_ERRNOS = new Set([1792, 1836]);

/** A statement refused because the server, or its session, has become read-only. */
export function isRefusedAsReadOnly(error: unknown): boolean {
  if (codeOf(error) === '25006') return true;
  const { errno, message } = (error ?? {}) as { errno?: unknown; message?: unknown };
  if (errno === ER_OPTION_PREVENTS_STATEMENT) return READ_ONLY_OPTION.test(String(message));
  return READ_ONLY_ERRNOS.has(errno as number);
}

/** Ends its session: whether COMMIT was done before that is not known. */
const ENDS_SESSION = /^(08...|57P0[1-5]|25P0[34])$/;
/** May end the server as well. */
const MAY_END_SERVER = /^(58...|F0...|XX...)$/;

/**
 * Whether the error is the server's answer to COMMIT: the transaction is over then, and was not committed, whatever the code and
 * whatever became of the connection since.
 */
export function isAnswerToCommit(error: unknown, isGone: boolean): boolean {
  const code = codeOf(error);
  const severity = read(error, 'severity');
  if (typeof severity !== 'string' || code === undefined) return !isGone && !isFatal(error);
  if (ENDS_SESSION.test(code) || severity === 'FATAL' || severity === 'PANIC') return false;
  return !MAY_END_SERVER.test(code) || severity === 'ERROR' || !isGone;
}
