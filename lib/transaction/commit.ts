// COMMIT, and RELEASE of a savepoint: what comes before it, and what the server's answer means.
import { CommitUnknownError, ResetError, type TransactionFailedError } from '../errors';
import type { Send } from '../knex/transaction-class';
import { nextTurn, within } from '../waiting';
import { rollBack, settleAborted } from './roll-back';
import type { Scope } from './scope';
import { step } from './steps';
import { recordXid } from './verify-commit';

export function commit(scope: Scope, value: unknown, send: Send): Promise<void> {
  scope.value = value;
  if (scope.isOutlived) return rollBack(scope, outlived(scope));
  const isReady = scope.pending === 0 && !scope.hasHooks && scope.session.isQuiet && !scope.block?.options.verifyCommit;
  return isReady ? commitNow(scope, send) : commitOnceReady(scope, send);
}

/** What comes before COMMIT where anything does. */
async function commitOnceReady(scope: Scope, send: Send): Promise<void> {
  const { session } = scope;
  await drained(scope);
  if (scope.isOutermost && scope.hasHooks && scope.refusal === undefined) {
    try {
      await scope.inContext(() => scope.timeline.run('beforeCommit'));
    } catch (error) {
      return scope.phase === 'open' ? rollBack(scope, error) : undefined;
    }
    await drained(scope);
  }
  if (
    scope.block?.options.verifyCommit &&
    !scope.isSavepoint &&
    scope.refusal === undefined &&
    scope.firstError === undefined
  ) {
    try {
      scope.recorded = await recordXid(session);
    } catch (error) {
      return scope.phase === 'open' ? rollBack(scope, scope.refusal ?? session.fatal ?? error) : undefined;
    }
  }
  // COMMIT behind a running query might never be sent, and nobody could say whether it was. In a sandbox it has its turn.
  if (!session.turns && scope.refusal === undefined) await session.whenQuiet();
  // What failed on the server makes COMMIT fail; what failed before it got there, or on a server that goes on, must as well.
  // Which of them it was is known now: an error arrives before the status of the transaction does.
  if (
    scope.unheard !== undefined &&
    scope.phase === 'open' &&
    scope.refusal === undefined &&
    session.driver.status(session.connection) !== 'failed'
  ) {
    const message = `a query of transaction ${scope.name} failed that its block had not waited for`;
    return rollBack(scope, scope.failure(message, scope.unheard));
  }
  // A limit may have ended it meanwhile.
  if (scope.phase === 'open') await commitNow(scope, send);
}

function commitNow(scope: Scope, send: Send): Promise<void> {
  if (scope.isAborted) return settleAborted(scope);
  if (scope.isOutlived) return rollBack(scope, outlived(scope));
  if (scope.refusal !== undefined) return rollBack(scope, scope.refusal);
  return scope.isSavepoint ? releaseSavepoint(scope, send) : commitOutermost(scope, send);
}

function outlived(scope: Scope): TransactionFailedError {
  return scope.failure(
    `savepoint ${scope.name} was not released: the transaction around it had ended before`,
    undefined,
  );
}

async function commitOutermost(scope: Scope, send: Send): Promise<void> {
  const { session, instance, value, endedBy } = scope;
  scope.phase = 'committing';
  const { isDone, error, result } = await step(scope, send);
  if (isDone) {
    if (!endedBy?.rolledBack && !session.driver.saysRolledBack(answerOf(result)))
      return scope.decide({ kind: 'committed', value });
    const by = endedBy ? `it was ended by "${endedBy.sql}"` : 'a statement in it had failed';
    const message = `the server rolled transaction ${scope.name} back: ${by}`;
    return scope.decide({
      kind: 'rolledBack',
      error: scope.failure(message, scope.firstError),
    });
  }
  if (session.death === undefined && !(error instanceof ResetError) && !instance.isFatal(error)) {
    // The error comes before the server has let go of the transaction's locks.
    await within(instance.settings.timeoutMillis, session.whenQuiet());
    return scope.decide({ kind: 'rolledBack', error: scope.interruption ?? error });
  }
  session.doomed = true;
  const xid = scope.recorded?.xid ?? undefined;
  const details = { cause: session.fatal ?? error, xid, transaction: scope.describe() };
  return scope.decide({ kind: 'unknown', error: new CommitUnknownError(scope.name, details) });
}

async function releaseSavepoint(scope: Scope, send: Send): Promise<void> {
  const { session, value } = scope;
  scope.phase = 'ending';
  // In a sandbox transactions share a connection that would have had one each: one may end before one that was begun inside it.
  const isOutlived = session.turns !== undefined && scope.children.size > 0;
  if (isOutlived) return scope.decide({ kind: 'committed', value });
  const { isDone, error } = await step(scope, send);
  if (isDone) return scope.decide({ kind: 'committed', value });
  const lost = scope.refusal ?? (session.refusal && (session.fatal ?? session.refusal));
  if (lost !== undefined) return rollBack(scope, lost);
  const message = `savepoint ${scope.name} was rolled back: a statement in it had failed`;
  return rollBack(scope, scope.failure(message, scope.root.firstError ?? error));
}

/** The driver's answer inside knex's query object. */
function answerOf(result: unknown): unknown {
  return (result as { response?: unknown } | undefined)?.response;
}

/** Waits for the queries and inner blocks that the callback started and did not wait for, and for those that they start. */
async function drained(scope: Scope): Promise<void> {
  while (scope.pending > 0 && scope.refusal === undefined) {
    await new Promise<void>((resolve) => {
      scope.onDrained = resolve;
    });
    await nextTurn();
  }
}
