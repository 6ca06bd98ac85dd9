// COMMIT, and RELEASE of a savepoint: what comes before it, and what the server's answer means.
import { shown } from '../words/describe';
import { CommitUnknownError, ResetError, type TransactionFailedError } from '../words/errors';
import type { Send } from '../knex/transaction-class';
import { nextTurn, within } from '../words/waiting';
import { rollBack, settleAborted } from './roll-back';
import type { Transaction } from './transaction';
import { mutexOf, sendControl } from './control';
import { recordXid } from './verify-commit';

export function commit(transaction: Transaction, value: unknown, send: Send): Promise<void> {
  transaction.value = value;
  if (transaction.parentHasEnded) return rollBack(transaction, outlived(transaction));
  const isReady =
    transaction.pending === 0 &&
    !transaction.hasHooks &&
    transaction.connection.isQuiet &&
    !transaction.block?.options.verifyCommit;
  return isReady ? commitNow(transaction, send) : commitOnceReady(transaction, send);
}

/** What comes before COMMIT where anything does. */
async function commitOnceReady(transaction: Transaction, send: Send): Promise<void> {
  const { connection } = transaction;
  await drained(transaction);
  if (transaction.isOutermost && transaction.hasHooks && transaction.refusal === undefined) {
    try {
      await transaction.inContext(() => transaction.hooks.run('beforeCommit'));
    } catch (error) {
      return transaction.phase === 'open' ? rollBack(transaction, error) : undefined;
    }
    await drained(transaction);
  }
  if (
    transaction.block?.options.verifyCommit &&
    !transaction.isSavepoint &&
    transaction.refusal === undefined &&
    transaction.firstError === undefined
  ) {
    try {
      transaction.recorded = await recordXid(connection);
    } catch (error) {
      return transaction.phase === 'open'
        ? rollBack(transaction, transaction.refusal ?? connection.fatal ?? error)
        : undefined;
    }
  }
  // COMMIT behind a running query might never be sent, and it would not be known whether it was. In a sandbox it has its turn.
  if (!connection.mutex.isShared && transaction.refusal === undefined) await connection.whenQuiet();
  // What failed on the server makes COMMIT fail; what failed before it got there, or on a server that goes on, must as well.
  // Which of them it was is known now: an error arrives before the status of the transaction does.
  if (
    transaction.unawaitedFailure !== undefined &&
    transaction.phase === 'open' &&
    transaction.refusal === undefined &&
    connection.driver.status(connection.raw) !== 'failed'
  ) {
    const message = `a query of transaction ${transaction.name} failed that its block had not waited for`;
    return rollBack(transaction, transaction.failure(message, transaction.unawaitedFailure));
  }
  // A limit may have ended it meanwhile.
  if (transaction.phase === 'open') await commitNow(transaction, send);
}

function commitNow(transaction: Transaction, send: Send): Promise<void> {
  if (transaction.isAborted) return settleAborted(transaction);
  if (transaction.parentHasEnded) return rollBack(transaction, outlived(transaction));
  if (transaction.refusal !== undefined) return rollBack(transaction, transaction.refusal);
  return transaction.isSavepoint ? releaseSavepoint(transaction, send) : commitOutermost(transaction, send);
}

function outlived(transaction: Transaction): TransactionFailedError {
  return transaction.failure(
    `savepoint ${transaction.name} was not released: the transaction around it had ended before`,
    undefined,
  );
}

async function commitOutermost(transaction: Transaction, send: Send): Promise<void> {
  const { connection, instance, value, endedByStatement: endedBy } = transaction;
  transaction.phase = 'committing';
  const { isDone, error, result } = await sendControl(transaction, send);
  if (isDone) {
    if (!endedBy?.rolledBack && !connection.driver.saysRolledBack(answerOf(result)))
      return transaction.decide({ kind: 'committed', value });
    const by = endedBy ? `it was ended by "${shown(endedBy.sql)}"` : 'a statement in it had failed';
    const message = `the server rolled transaction ${transaction.name} back: ${by}`;
    return transaction.decide({
      kind: 'rolledBack',
      error: transaction.failure(message, transaction.firstError),
    });
  }
  if (connection.death === undefined && !(error instanceof ResetError) && !instance.isFatal(error)) {
    // The error comes before the server has let go of the transaction's locks.
    await within(instance.settings.timeoutMillis, connection.whenQuiet());
    return transaction.decide({ kind: 'rolledBack', error: transaction.interruption ?? error });
  }
  connection.doomed = true;
  const xid = transaction.recorded?.xid ?? undefined;
  const details = { cause: connection.fatal ?? error, xid, transaction: transaction.describe() };
  return transaction.decide({ kind: 'unknown', error: new CommitUnknownError(transaction.name, details) });
}

async function releaseSavepoint(transaction: Transaction, send: Send): Promise<void> {
  const { connection, value } = transaction;
  transaction.phase = 'ending';
  const checked = checkAsCommit(transaction);
  if (checked) {
    try {
      await checked;
    } catch (error) {
      return rollBack(transaction, transaction.refusal ?? error);
    }
  }
  // In a sandbox transactions share a connection that would have had one each: one may end before one that was begun inside it.
  const isOutlived = connection.mutex.isShared && transaction.children.size > 0;
  if (isOutlived) return transaction.decide({ kind: 'committed', value });
  const { isDone, error } = await sendControl(transaction, send);
  if (isDone) return transaction.decide({ kind: 'committed', value });
  const lost = transaction.refusal ?? (connection.refusal && (connection.fatal ?? connection.refusal));
  if (lost !== undefined) return rollBack(transaction, lost);
  const message = `savepoint ${transaction.name} was rolled back: a statement in it had failed`;
  return rollBack(transaction, transaction.failure(message, transaction.root.firstError ?? error));
}

/** In a sandbox nothing is committed: what COMMIT would refuse is asked for. Undefined: nothing is to be checked. Rejects with the database's error for a violated constraint. */
function checkAsCommit(transaction: Transaction): Promise<void> | undefined {
  const { connection, emulatesRoot } = transaction;
  const check = connection.driver.checkConstraints;
  if (!check || !emulatesRoot || !isWanted(transaction)) return undefined;
  return mutexOf(transaction).run(transaction, async () => {
    // A failed statement makes COMMIT a ROLLBACK, which checks nothing.
    if (connection.status === 'open') await check((sql) => connection.send(sql));
  });
}

function isWanted(transaction: Transaction): boolean {
  for (let each: Transaction | undefined = transaction; each; each = each.parent)
    if (each.sandbox) return each.sandbox.checksConstraints;
  return false;
}

/** The driver's answer inside knex's query object. */
function answerOf(result: unknown): unknown {
  return (result as { response?: unknown } | undefined)?.response;
}

/** Waits for the queries and inner blocks that the callback started and did not wait for, and for those that they start. */
async function drained(transaction: Transaction): Promise<void> {
  while (transaction.pending > 0 && transaction.refusal === undefined) {
    await new Promise<void>((resolve) => {
      transaction.onDrained = resolve;
    });
    await nextTurn();
  }
}
