// How a transaction ends: how its callback ended × what the server said → what the caller gets, and what becomes of the connection.
import { BlockControlError, CommitUnknownError, ResetError, suppress, TransactionFailedError } from '../errors';
import { markCompleted, type Send } from '../knex/transaction-class';
import { Deadline, nextTurn, within } from '../waiting';
import { publish } from './channel';
import type { Scope } from './scope';
import { sendOwn, step } from './steps';
import { recordXid } from './verify-commit';

/** COMMIT, or RELEASE of a savepoint. Rejects where that failed; knex's own call after a callback gets the same. */
export async function endByCommit(scope: Scope, value: unknown, send: Send): Promise<unknown> {
  endAsked(scope, 'commit()');
  if (scope.isAborted) await settleAborted(scope);
  else if (scope.phase === 'open') await commit(scope, value, send);
  await scope.whenOver;
  const { outcome, afterCommitError } = scope;
  if (afterCommitError) throw afterCommitError;
  if (outcome?.kind === 'committed') return undefined;
  if (outcome?.error !== undefined) throw outcome.error;
  throw new TransactionFailedError(`transaction ${scope.name} was rolled back before it was committed`, {
    transaction: scope.describe(),
  });
}

/** ROLLBACK, or ROLLBACK TO a savepoint. Never rejects: what the rollback was for is the transaction's outcome. */
export async function endByRollback(scope: Scope, error: unknown): Promise<unknown> {
  endAsked(scope, 'rollback()');
  if (scope.isAborted) await settleAborted(scope, error);
  else if (scope.phase === 'open') await rollBack(scope, error);
  await scope.whenOver;
  return undefined;
}

/** Knex asks for a block's end once its callback is done, and again only where that has failed; whoever else does is in the block or a hook. */
function endAsked(scope: Scope, call: string): void {
  const isByHand =
    scope.joined > 0 || (scope.block && (scope.isCallbackRunning || (scope.isEndAsked && !scope.isConcluded)));
  if (isByHand) {
    throw new BlockControlError(
      `transaction ${scope.name} belongs to a block, which ends it: ${call} is not for its callback`,
    );
  }
  scope.isEndAsked = true;
}

function commit(scope: Scope, value: unknown, send: Send): Promise<void> {
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
      await scope.instance.ambient.run(scope, () => scope.timeline.run('beforeCommit'));
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
  // What failed on the server makes COMMIT fail; what failed before it got there, or on a server that goes on, must as well.
  if (
    scope.unheard !== undefined &&
    scope.phase === 'open' &&
    scope.refusal === undefined &&
    session.driver.status(session.connection) !== 'failed'
  ) {
    const message = `a query of transaction ${scope.name} failed that its block had not waited for`;
    return rollBack(scope, new TransactionFailedError(message, { cause: scope.unheard }));
  }
  // COMMIT behind a running query might never be sent, and nobody could say whether it was. In a sandbox it has its turn.
  if (!session.turns) await session.whenQuiet();
  // A limit may have ended it meanwhile.
  if (scope.phase === 'open') await commitNow(scope, send);
}

function commitNow(scope: Scope, send: Send): Promise<void> {
  if (scope.isAborted) return settleAborted(scope);
  if (scope.isOutlived) return rollBack(scope, outlived(scope));
  if (scope.refusal !== undefined) return rollBack(scope, scope.refusal);
  return scope.isSavepoint ? releaseSavepoint(scope, send) : commitOutermost(scope, send);
}

function outlived({ name }: Scope): TransactionFailedError {
  return new TransactionFailedError(
    `savepoint ${name} was not released: the transaction around it had ended before`,
    {},
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
      error: new TransactionFailedError(message, { cause: scope.firstError, transaction: scope.describe() }),
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
  const cause = scope.root.firstError ?? error;
  return rollBack(scope, new TransactionFailedError(message, { cause, transaction: scope.describe() }));
}

/** The driver's answer inside knex's query object. */
function answerOf(result: unknown): unknown {
  return (result as { response?: unknown } | undefined)?.response;
}

/** Rolls back what can be rolled back; `error` is the outcome whatever comes on the way. */
export async function rollBack(scope: Scope, error: unknown): Promise<void> {
  const { session, root } = scope;
  scope.phase = 'ending';
  scope.reason = error;
  markCompleted(scope.trx, true);
  await runFatalHooks(scope, error);
  // What was done inside was undone or stored with the transaction around it. Its connection may be somebody else's by now.
  if (scope.isOutlived)
    return scope.decide({ kind: 'rolledBack', error, resolves: error === undefined && !scope.block });
  if (session.refusal !== undefined || root.isAborted) {
    // The connection is gone, and the server rolls back by itself.
    session.doomed = true;
    return scope.decide({ kind: 'rolledBack', error });
  }
  const undone = (await comeToRest(scope))
    ? await within(
        scope.instance.settings.timeoutMillis,
        step(scope, () => scope.undo(error)),
      )
    : undefined;
  if (undone?.isDone) {
    await dropSavepoint(scope);
    return scope.decide({ kind: 'rolledBack', error, resolves: error === undefined && !scope.block });
  }
  // Knex has an error of its own for a rollback without one, where it was told to reject.
  if (undone && error === undefined && session.death === undefined)
    return scope.decide({ kind: 'rolledBack', error: undone.error });
  if (undone?.error !== error) {
    if (undone) suppress(error, undone.error);
    session.doomed = true;
    if (scope.isSavepoint) root.doom ??= error;
  } else {
    await dropSavepoint(scope);
  }
  return scope.decide({ kind: 'rolledBack', error });
}

/** A savepoint stays after ROLLBACK TO; without this a block's would pile up in a long transaction. */
async function dropSavepoint(scope: Scope): Promise<void> {
  if (!scope.block || !scope.isSavepoint) return;
  await sendOwn(scope, `RELEASE SAVEPOINT ${scope.id};`).catch(() => {
    scope.session.doomed = true;
  });
}

/** Waits until nothing runs, having cancelled what does. False: it goes on running. */
async function comeToRest(scope: Scope): Promise<boolean> {
  const { session } = scope;
  // In a sandbox what runs may be somebody else's; it is waited for like any turn.
  if (session.turns && scope.isSavepoint && scope.running === 0) return true;
  if (session.running > 0) {
    const how = (when: string) =>
      new Error(`Transaction query already complete: its transaction was rolled back ${when}`);
    session.dropWaiting(how('before it was sent'));
    session.endStream(how('while it was read'));
  }
  const deadline = new Deadline(scope.instance.settings.timeoutMillis);
  // A failing statement is answered before the server is ready; that is no reason to cancel. One that mysql2 gave up on still runs.
  if (session.running === 0 && !session.isQuiet) await within(Math.min(100, deadline.leftMillis), session.whenQuiet());
  await session.stop(deadline);
  return session.isQuiet && session.refusal === undefined;
}

/** Once a transaction, before it is rolled back or its connection discarded. */
async function runFatalHooks(scope: Scope, error: unknown): Promise<void> {
  const { root } = scope;
  if (root.fatalHooksRan || !scope.hasLost(error)) return;
  root.fatalHooksRan = true;
  root.hadFatal = true;
  publish('fatal', root, error);
  if (!scope.hasHooks) return;
  for (const later of await scope.timeline.runAll('onFatal', { error, fatal: true })) suppress(error, later);
}

/** Settles a transaction that a reset or the death of its connection took from its holders. What the callback threw wins. */
export async function settleAborted(scope: Scope, thrown?: unknown): Promise<void> {
  if (scope.children.size > 0) {
    for (const child of scope.children) await settleAborted(child);
    // One turn, so that the callback can hear from those inside: what it throws then is what comes out.
    await nextTurn();
  }
  if (scope.outcome) return;
  // A rollback that was under way has its reason already.
  const error = thrown ?? scope.reason ?? scope.doom ?? scope.root.doom;
  scope.phase = 'ending';
  if (scope.session?.tenant === scope.root) scope.session.doomed = true;
  await runFatalHooks(scope, error);
  scope.decide({ kind: 'rolledBack', error });
}

/** Ends what is open inside a scope that is being rolled back: the server undoes it all at once. */
export function endWithin(scope: Scope, error: unknown): void {
  for (const child of scope.children) {
    endWithin(child, error);
    if (child.outcome) continue;
    child.doom ??= error;
    child.decide({ kind: 'rolledBack', error });
  }
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
