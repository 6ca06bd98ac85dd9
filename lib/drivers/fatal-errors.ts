// Which errors end a connection, which are worth another attempt, and which are an answer to COMMIT.
import { TransactionFailedError } from '../words/errors';
import { read } from '../words/foreign';
import { means } from './error-codes';

/**
 * Whether an error means that its connection cannot be used any more: SQLSTATE classes 08, 58, F0 and XX, 57P01 to 57P05, 25P03, 25P04,
 * 53300 while connecting, the codes of a broken socket, MySQL's 1040, 1053, 1927 and 4031, and the drivers' own errors for a connection that
 * is gone or was not established in time.
 * Not fatal are 57014, 55P03, 40001, 40P01, 25P02, 0A000, and the errors of constraints.
 *
 * @example
 * if (isFatal(error)) metrics.count('lost-connection');
 * @see docs/production.md#when-the-database-goes-away
 */
export function isFatal(error: unknown): boolean {
  return means(error, 'fatal');
}

/**
 * Whether the whole transaction can succeed if it is run again: a serialization failure (40001) or a deadlock (40P01), also one that
 * the callback swallowed, which then is the cause of a `TransactionFailedError`, or one that came after the driver had stopped waiting.
 *
 * @example
 * await db.atomic(block, { retry: { attempts: 3, when: (error) => isRetryable(error) } });
 * @see docs/transactions.md#retry-and-verifycommit
 */
export function isRetryable(error: unknown): boolean {
  const isCause = error instanceof TransactionFailedError || isClientTimeout(error);
  return means(isCause ? read(error, 'cause') : error, 'retry');
}

/** The code of a broken socket. The error does not say which one. */
export function isSocketError(error: unknown): boolean {
  return means(error, 'brokenSocket');
}

/** The server has said that it ends the session, which proves more than a closed socket does. */
export function endsSession(error: unknown): boolean {
  return means(error, 'endsSession');
}

/** Another session, or a limit of its own, has ended the statement. */
export function isCancelled(error: unknown): boolean {
  return means(error, 'cancelled');
}

/** The driver waits no longer. The server goes on, and may still answer. */
export function isClientTimeout(error: unknown): boolean {
  return means(error, 'clientTimeout');
}

/**
 * Whether the error is the server's answer to COMMIT, or precedes one on a connection that lives. After an answer the transaction has ended and
 * was not committed, whatever the code and whatever became of the connection since.
 */
export function isAnswerToCommit(error: unknown, isGone: boolean): boolean {
  const severity = read(error, 'severity');
  if (typeof severity !== 'string' || typeof read(error, 'code') !== 'string') return !isGone && !isFatal(error);
  if (severity === 'FATAL' || severity === 'PANIC') return false;
  // Whether COMMIT was done before that is not known.
  if (endsSession(error) || means(error, 'lostConnection')) return false;
  return !means(error, 'mayEndServer') || severity === 'ERROR' || !isGone;
}
