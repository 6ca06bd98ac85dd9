// What the answers of the server, and the end of the connection, mean for the transaction on it.
import { shown } from '../words/describe';
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
    if (root.phase === 'open' && driver.wasRestarted?.(result, sql)) {
      endedByUser(root, { sql, rolledBack: false, wasRestarted: true });
      return error;
    }
    root.firstError = undefined;
    root.endedByStatement = undefined;
  } else if (status === 'idle' && root.phase === 'open') {
    endedByUser(root, { sql, rolledBack: driver.saysRolledBack(result, sql) });
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
  endedByServer(root, error);
  return error;
}

/** A deadlock on MySQL, ON CONFLICT ROLLBACK on SQLite: what is sent from now on would be stored at once, each for itself. */
function endedByServer(root: Transaction, error: unknown): void {
  const { driver, raw } = root.connection;
  if (root.phase !== 'open' || root.endedByStatement || driver.status(raw) !== 'idle') return;
  const message = `the server rolled transaction ${root.name} back when a statement in it failed`;
  root.doom ??= root.failure(message, error);
  dropWaiting(root);
}

/**
 * The connection is ready again after a statement failed: only now is its status known. A script may have failed behind its COMMIT,
 * a COMMIT by hand may have failed, the server may have rolled back with the statement: no error says so.
 */
export function readied(root: Transaction, sql: string, error: unknown): void {
  const { driver, raw, refusal } = root.connection;
  // A sandbox may be closed as soon as the error is heard.
  const isHeard = root.phase === 'open' || (root.sandbox !== undefined && root.phase === 'ending');
  if (!isHeard || root.endedByStatement || refusal !== undefined) return;
  if (driver.rollsBackAt?.(error)) return endedByServer(root, error);
  if (driver.status(raw) === 'idle') endedByUser(root, { sql, rolledBack: false });
}

/** A statement of the user's has ended it. What waits behind that statement, and what is asked later, would be stored at once, each for itself. */
export function endedByUser(root: Transaction, by: NonNullable<Transaction['endedByStatement']>): void {
  root.endedByStatement = by;
  // If it is noticed only at the end of the sandbox itself, it still has to be reported.
  const escape = root.sandbox?.escaped(by.sql);
  if (escape) root.doom ??= escape;
  const isWaited = root.connection.running > 0 || by.rolledBack || by.wasRestarted;
  if (hasBlock(root) || (isWaited && !root.connection.driver.commitsSilently?.(by.sql)))
    root.doom ??= endedBy(root, by.sql);
  if (root.doom !== undefined) dropWaiting(root);
}

/** In a plain transaction a COMMIT by hand may be the very last statement: another one is refused, and dooms the transaction. */
export function refuseAfterEnd(root: Transaction): void {
  const { endedByStatement, connection, phase } = root;
  if (!endedByStatement || phase !== 'open' || connection.driver.commitsSilently?.(endedByStatement.sql)) return;
  root.doom ??= endedBy(root, endedByStatement.sql);
}

/** Schema changes, on MySQL. */
const COMMITS_BY_ITSELF = 'which this database commits before and after by itself';

function endedBy(root: Transaction, sql: string): BlockControlError {
  const what = hasBlock(root) ? 'belongs to a block, but it ' : '';
  const isSilent = root.connection.driver.commitsSilently?.(sql);
  const remedy = isSilent ? `, ${COMMITS_BY_ITSELF}: change the schema before the transaction or after it` : '';
  return new BlockControlError(`transaction ${root.name} ${what}was ended by "${shown(sql)}"${remedy}`);
}

function dropWaiting({ connection, doom, name }: Transaction): void {
  const isError = typeof doom === 'object' && doom !== null;
  connection.dropWaiting(isError ? (doom as Error) : new Error(`transaction ${name} has ended`));
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
