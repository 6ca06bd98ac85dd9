// How a transaction ends: how its callback ended × what the server said → what the caller gets, which hooks run, what becomes of the connection.
import {
  AfterCommitError,
  BlockControlError,
  CommitUnknownError,
  ResetError,
  suppress,
  TransactionFailedError,
} from '../errors';
import type { Send } from '../knex/transaction-class';
import { Deadline, within } from '../waiting';
import { publish } from './channel';
import type { Outcome, Scope } from './scope';
import { outcomeOnServer, recordXid } from './verify-commit';

const nameOf = (scope: Scope) => scope.label ?? scope.id;

/** COMMIT, or RELEASE of a savepoint. Rejects where that failed; knex's own call after a callback gets the same. */
export async function endByCommit(scope: Scope, value: unknown, send: Send): Promise<unknown> {
  if (scope.block && scope.isCallbackRunning) throw byHand(scope, 'commit()');
  if (scope.isAborted) await settleAborted(scope);
  else if (scope.phase === 'open') await commit(scope, value, send);
  await scope.whenOver;
  const { outcome } = scope;
  if (outcome?.kind === 'committed') {
    if (scope.afterCommitError) throw scope.afterCommitError;
    return undefined;
  }
  throw (
    outcome?.error ??
    new TransactionFailedError(`transaction ${nameOf(scope)} was rolled back before it was committed`, {})
  );
}

/** ROLLBACK, or ROLLBACK TO a savepoint. Never rejects: what the rollback was for is the transaction's outcome. */
export async function endByRollback(scope: Scope, error: unknown): Promise<unknown> {
  if (scope.block && scope.isCallbackRunning) throw byHand(scope, 'rollback()');
  if (scope.isAborted) await settleAborted(scope, error);
  else if (scope.phase === 'open') await rollBack(scope, error);
  await scope.whenOver;
  return undefined;
}

function byHand(scope: Scope, call: string): BlockControlError {
  return new BlockControlError(
    `transaction ${nameOf(scope)} belongs to a block, which ends it: ${call} is not for its callback`,
  );
}

async function commit(scope: Scope, value: unknown, send: Send): Promise<void> {
  const { session, timeline } = scope;
  scope.value = value;
  if (scope.block) await drained(scope);
  if (scope.isOutermost && !timeline.isEmpty && scope.refusal === undefined) {
    try {
      await timeline.run('beforeCommit');
      if (scope.block) await drained(scope);
    } catch (error) {
      return rollBack(scope, error);
    }
  }
  if (scope.phase !== 'open') return;
  if (scope.isAborted) return settleAborted(scope);
  if (scope.refusal !== undefined) return rollBack(scope, scope.refusal);
  if (!scope.isSavepoint) {
    if (scope.block?.options.verifyCommit && scope.firstError === undefined) {
      try {
        scope.xid = await recordXid(session);
      } catch (error) {
        return rollBack(scope, scope.refusal ?? session.fatal ?? error);
      }
    }
    // COMMIT behind a running query might never be sent, and nobody could say whether it was.
    if (!session.isQuiet) await session.whenQuiet();
    if (scope.isAborted || scope.refusal !== undefined) return rollBack(scope, scope.refusal);
    return commitOutermost(scope, value, send);
  }
  return releaseSavepoint(scope, value, send);
}

async function commitOutermost(scope: Scope, value: unknown, send: Send): Promise<void> {
  const { session, endedBy } = scope;
  scope.phase = 'committing';
  const step = await scope.step(send);
  if (step.ok) {
    const isRolledBack = session.driver.saysRolledBack(answerOf(step.result)) || endedBy?.rolledBack;
    if (!isRolledBack) return finish(scope, { kind: 'committed', value });
    const by = endedBy ? `it was ended by "${endedBy.sql}"` : 'a statement in it had failed';
    const error = new TransactionFailedError(`the server rolled transaction ${nameOf(scope)} back: ${by}`, {
      cause: scope.firstError,
    });
    return finish(scope, { kind: 'rolledBack', error });
  }
  const { error } = step;
  if (session.death === undefined && !(error instanceof ResetError) && !scope.instance.isFatal(error)) {
    return finish(scope, { kind: 'rolledBack', error: scope.interruption ?? error });
  }
  session.doomed = true;
  const cause = session.fatal ?? error;
  return finish(scope, { kind: 'unknown', error: new CommitUnknownError(nameOf(scope), { cause, xid: scope.xid }) });
}

async function releaseSavepoint(scope: Scope, value: unknown, send: Send): Promise<void> {
  const { session } = scope;
  scope.phase = 'ending';
  // In a sandbox transactions share a connection that would have had one each: one may end before one that was begun inside it.
  const isOutlived = session.turns !== undefined && scope.children.size > 0;
  const step = isOutlived ? { ok: true as const } : await scope.step(send);
  if (step.ok) {
    return finish(scope, { kind: 'committed', value });
  }
  const lost = scope.refusal ?? (session.refusal && (session.fatal ?? session.refusal));
  if (lost !== undefined) return rollBack(scope, lost);
  const cause = scope.root.firstError ?? step.error;
  const error = new TransactionFailedError(`savepoint ${nameOf(scope)} was rolled back: a statement in it had failed`, {
    cause,
  });
  return rollBack(scope, error);
}

/** The driver's answer inside knex's query object. */
function answerOf(result: unknown): unknown {
  return (result as { response?: unknown } | undefined)?.response;
}

/** Rolls back what can be rolled back; `error` is the outcome whatever comes on the way. */
export async function rollBack(scope: Scope, error: unknown): Promise<void> {
  const { session, root } = scope;
  scope.phase = 'ending';
  scope.trx._completed = true;
  await runFatalHooks(scope, error);
  let resolves = false;
  if (session.refusal !== undefined || root.isAborted) {
    // The connection is gone, and the server rolls back by itself.
    session.doomed = true;
  } else if (await comeToRest(scope)) {
    const step = await within(
      scope.instance.settings.timeoutMillis,
      scope.step(() => scope.undo(error)),
    );
    if (step === undefined) session.doomed = true;
    else if (step.ok) resolves = error === undefined && !scope.block;
    else if (error === undefined && session.death === undefined) error = step.error;
    else if (step.error !== error) {
      suppress(error, step.error);
      session.doomed = true;
    }
    if (scope.isSavepoint && step?.ok !== true && step?.error !== error) root.doom ??= error;
    if (scope.block && scope.isSavepoint && session.refusal === undefined && !session.doomed)
      await dropSavepoint(scope);
  } else {
    session.doomed = true;
    if (scope.isSavepoint) root.doom ??= error;
  }
  finish(scope, { kind: 'rolledBack', error, resolves });
}

/** A savepoint stays after ROLLBACK TO; without this they would pile up in a long transaction. */
async function dropSavepoint(scope: Scope): Promise<void> {
  await scope.send(`RELEASE SAVEPOINT ${scope.id};`).catch(() => {
    scope.session.doomed = true;
  });
}

/** Waits until nothing runs, having cancelled what does. False: it goes on running. */
async function comeToRest(scope: Scope): Promise<boolean> {
  const { session } = scope;
  // In a sandbox what runs may be somebody else's; it is waited for like any turn.
  if (session.turns && scope.isSavepoint && scope.running === 0) return session.refusal === undefined;
  session.dropWaiting(
    new Error('Transaction query already complete: its transaction was rolled back before it was sent'),
  );
  const deadline = new Deadline(scope.instance.settings.timeoutMillis);
  // A failing statement is answered before the server is ready; that is no reason to cancel.
  if (session.running === 0) await within(deadline.leftMillis, session.whenQuiet());
  while (!session.isQuiet && deadline.leftMillis > 0) {
    await session.driver.cancel(session.connection, deadline.leftMillis);
    await within(Math.min(100, deadline.leftMillis), session.whenQuiet());
  }
  return session.isQuiet && session.refusal === undefined;
}

/** Once a transaction, before it is rolled back or its connection discarded. */
async function runFatalHooks(scope: Scope, error: unknown): Promise<void> {
  const { root } = scope;
  const isFatal = root.hadFatal || scope.instance.isFatal(error);
  if (!isFatal || root.fatalHooksRan) return;
  root.fatalHooksRan = true;
  root.hadFatal = true;
  publish('fatal', root, error);
  for (const later of await scope.timeline.runAll('onFatal', { error, fatal: true })) suppress(error, later);
}

/** Settles a transaction that a reset or the death of its connection took from its holders. What the callback threw wins. */
export async function settleAborted(scope: Scope, thrown?: unknown): Promise<void> {
  for (const child of scope.children) await settleAborted(child);
  if (scope.outcome || scope.phase === 'ending') return;
  scope.phase = 'ending';
  const error = thrown ?? scope.doom ?? scope.root.doom;
  if (scope.session.tenant === scope.root) scope.session.doomed = true;
  await runFatalHooks(scope, error);
  finish(scope, { kind: 'rolledBack', error });
}

/** Ends what is open inside a scope that is being rolled back: the server undoes it all at once. */
export function endWithin(scope: Scope, error: unknown): void {
  for (const child of scope.children) {
    endWithin(child, error);
    if (child.outcome) continue;
    child.doom ??= error;
    finish(child, { kind: 'rolledBack', error });
  }
}

export function finish(scope: Scope, outcome: Outcome): void {
  scope.outcome = outcome;
  scope.phase = 'over';
  scope.decided.resolve();
  if (outcome.kind === 'committed') scope.settler.resolve(outcome.value);
  else if (outcome.kind === 'rolledBack' && outcome.resolves) scope.settler.resolve(undefined);
  else scope.settler.reject(outcome.error);
  if (scope.isAdopted) scope.live(async () => {}).catch(() => {});
}

/** After its connection was given back: finds out about a lost COMMIT, runs the hooks that come last, and gives the outcome. */
export async function conclude(scope: Scope): Promise<unknown> {
  let outcome = scope.outcome as Outcome;
  if (outcome.kind === 'unknown' && scope.block?.options.verifyCommit) {
    outcome = await outcomeOnServer(scope, outcome);
    scope.outcome = outcome;
  }
  const { timeline } = scope;
  if (outcome.kind === 'committed') {
    if (!scope.isOutermost) return outcome.value;
    publish('commit', scope);
    const errors = timeline.isEmpty ? [] : await timeline.runAll('afterCommit');
    if (errors.length === 0) return outcome.value;
    scope.afterCommitError = new AfterCommitError(nameOf(scope), errors, outcome.value);
    throw scope.afterCommitError;
  }
  const { error } = outcome;
  publish(outcome.kind === 'unknown' ? 'unknown' : 'rollback', scope, error);
  const kind = outcome.kind === 'unknown' ? 'afterUnknown' : 'afterRollback';
  const fatal = scope.instance.isFatal(error) || scope.root.hadFatal;
  scope.lastHooks = timeline.drop(scope);
  for (const later of await scope.lastHooks.runAll(kind, { error, fatal })) suppress(error, later);
  if (outcome.kind === 'rolledBack' && outcome.resolves) return undefined;
  throw error;
}

/** Waits for the queries and inner blocks that the callback started and did not wait for, and for those that they start. */
async function drained(scope: Scope): Promise<void> {
  while (scope.pending > 0 && scope.refusal === undefined) {
    await new Promise<void>((resolve) => {
      scope.onDrained = resolve;
    });
    await new Promise(setImmediate);
  }
}
