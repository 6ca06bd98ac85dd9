// What the answers of the server, and the end of the connection, mean for the transaction on it.
import { isInFailedTransaction } from '../drivers/error-codes';
import { BlockControlError } from '../words/errors';
import { nextTurn } from '../words/waiting';
import type { Transaction } from './transaction';

/** A statement was answered. Returns the error that its asker gets. */
export function answered(root: Transaction, answer: { sql: string; error: unknown; result: unknown }): unknown {
  const { sql, error, result } = answer;
  if (error !== null && error !== undefined) return failed(root, error);
  const { driver, raw } = root.connection;
  const status = driver.status(raw);
  if (status === 'open') {
    if (root.phase === 'open' && driver.wasRestarted?.(result, sql)) return endedBehindOurBack(root, sql, false);
    root.firstError = undefined;
    root.endedByStatement = undefined;
  } else if (status === 'idle' && root.phase === 'open') {
    endedBehindOurBack(root, sql, driver.saysRolledBack(result));
  }
  return error;
}

function failed(root: Transaction, error: unknown): unknown {
  if (isInFailedTransaction(error)) {
    const refused = error as { cause?: unknown };
    if (root.firstError !== undefined) refused.cause ??= root.firstError;
  } else {
    root.firstError ??= error;
  }
  if (root.instance.isFatal(error)) {
    root.hadFatal = true;
    if (root.phase === 'open') root.doom ??= error;
  }
  // A deadlock on MySQL, ON CONFLICT ROLLBACK on SQLite: what is sent from now on would be stored at once, each for itself.
  const { driver, raw } = root.connection;
  if (root.phase === 'open' && !root.endedByStatement && driver.status(raw) === 'idle') {
    const message = `the server rolled transaction ${root.name} back when a statement in it failed`;
    root.doom ??= root.failure(message, error);
  }
  return error;
}

/** A script that failed behind its COMMIT, or a COMMIT by hand that failed: no error says that the transaction is over. */
export function readied(root: Transaction, sql: string): void {
  const { driver, raw, refusal } = root.connection;
  // A sandbox may be closed as soon as the error is heard.
  const isHeard = root.phase === 'open' || (root.sandbox !== undefined && root.phase === 'ending');
  if (!isHeard || root.endedByStatement || refusal !== undefined) return;
  if (driver.status(raw) !== 'idle') return;
  endedBehindOurBack(root, sql, false);
  // What was asked as soon as the error was heard would be stored at once, each for itself.
  if (root.doom !== undefined) root.connection.dropWaiting(root.doom as Error);
}

/** A statement of the user's has ended it. */
export function endedBehindOurBack(root: Transaction, sql: string, rolledBack: boolean): void {
  root.endedByStatement = { sql, rolledBack };
  // Noticed only at the sandbox's own end, it still has to be told.
  const escape = root.sandbox?.escaped(sql);
  if (escape) root.doom ??= escape;
  if (!hasBlock(root)) return;
  root.doom ??= new BlockControlError(`transaction ${root.name} belongs to a block, but it was ended by "${sql}"`);
}

function hasBlock(transaction: Transaction): boolean {
  return transaction.block !== undefined || [...transaction.children].some(hasBlock);
}

/** The connection is gone. */
export function lost(root: Transaction, error: Error): void {
  if (root.phase !== 'open') return;
  root.hadFatal = true;
  root.abort(error);
  // One turn, so that the callback can react to its query's error: what it throws then is what comes out.
  void nextTurn().then(() => {
    // A callback must not run twice at a time: where it will be tried again, its end is waited for.
    if (!(root.block?.mayRetry && root.isCallbackRunning)) root.settle();
  });
}
