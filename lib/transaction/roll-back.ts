// ROLLBACK, and ROLLBACK TO a savepoint: whatever comes on the way, what it was for is the outcome.
import { suppress } from '../errors';
import { markCompleted } from '../knex/transaction-class';
import { Deadline, nextTurn, within } from '../waiting';
import { publish } from './channel';
import type { Scope } from './scope';
import type { Outcome } from './scope-details';
import { sendOwn, step, type StepResult } from './steps';

/** Rolls back what can be rolled back; `error` is the outcome whatever comes on the way. What is around it is not committed before. */
export async function rollBack(scope: Scope, error: unknown): Promise<void> {
  const leave = scope.enterAround();
  try {
    await rollBackNow(scope, error);
  } finally {
    leave();
  }
}

async function rollBackNow(scope: Scope, error: unknown): Promise<void> {
  const { session, root } = scope;
  scope.phase = 'ending';
  scope.reason = error;
  markCompleted(scope.trx, true);
  await runFatalHooks(scope, error);
  const rolledBack = rolledBackFor(scope, error);
  // What was done inside was undone or stored with the transaction around it. Its connection may be somebody else's by now.
  if (scope.isOutlived) return scope.decide(rolledBack);
  if (session.refusal !== undefined || root.isAborted) {
    // The connection is gone, and the server rolls back by itself.
    session.doomed = true;
    return scope.decide(rolledBack);
  }
  const isAtRest = await comeToRest(scope);
  // The one around it was rolled back meanwhile, and this with it.
  if (scope.isOutlived) return scope.decide(rolledBack);
  const undone = isAtRest ? await undo(scope, error) : undefined;
  // Knex has an error of its own for a rollback without one, where it was told to reject.
  if (undone && !undone.isDone && error === undefined && session.death === undefined)
    return scope.decide({ kind: 'rolledBack', error: undone.error });
  if (undone && (undone.isDone || undone.error === error)) {
    await dropSavepoint(scope);
  } else {
    if (undone) suppress(error, undone.error);
    session.doomed = true;
    if (scope.isSavepoint)
      root.doom ??= error ?? scope.failure(`savepoint ${scope.name} was not rolled back`, undone?.error);
  }
  return scope.decide(rolledBack);
}

/** By hand and without a reason knex resolves, or has an error of its own where it was told to reject. */
function rolledBackFor({ block, trx }: Scope, error: unknown): Outcome {
  const isByHand = error === undefined && !block;
  const resolves = isByHand && trx.doNotRejectOnRollback !== false;
  const own = isByHand && !resolves ? new Error(`Transaction rejected with non-error: ${error}`) : error;
  return { kind: 'rolledBack', error: own, resolves };
}

/** Undefined: it was not answered in time. A savepoint's turn is waited for besides: its connection is others' as well, who may take their time. */
function undo(scope: Scope, error: unknown): Promise<StepResult | undefined> {
  const { timeoutMillis } = scope.instance.settings;
  const sent = step(scope, () => scope.undo(error), timeoutMillis);
  return scope.isSavepoint ? sent : within(timeoutMillis, sent);
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
