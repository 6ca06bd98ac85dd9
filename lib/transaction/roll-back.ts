// ROLLBACK, and ROLLBACK TO a savepoint: whatever comes on the way, what it was for is the outcome.
import { stop } from '../connection/quiesce';
import { suppress } from '../words/errors';
import { bounded } from '../words/foreign';
import { Deadline, defer, nextTurn, within } from '../words/waiting';
import { publish } from './channel';
import { hasTurn, sendInTime, stepMillis } from './control-statements';
import type { Failure } from '../words/failure';
import type { Outcome } from './outcome';
import type { Transaction } from './transaction';

/** How long an answer that is under way is waited for before what runs is cancelled. */
const LAST_ANSWER_MILLIS = 100;

/** Rolls back what can be rolled back; `error` is the outcome whatever comes on the way. What is around it is not committed before. */
export async function rollBack(transaction: Transaction, error: unknown): Promise<void> {
  const leave = enterAround(transaction);
  try {
    transaction.move({ is: 'rollingBack', error });
    await rollBackNow(transaction, error);
  } finally {
    leave();
  }
}

/** Something is under way in each one around it. Returns what says that it is done. */
function enterAround({ parent }: Transaction): () => void {
  if (!parent) return () => {};
  const leave = parent.work.enter();
  const leaveOuter = enterAround(parent);
  return () => {
    leave();
    leaveOuter();
  };
}

/** Its state says already that it is rolled back. */
export async function rollBackNow(
  transaction: Transaction,
  error: unknown,
  deadline = new Deadline(stepMillis(transaction)),
): Promise<void> {
  const { connection, port } = transaction;
  port.refuseQueries();
  if (connection.mutex.isShared) doomInside(transaction);
  await runFatalHooks(transaction, error, deadline);
  const rolledBack = rolledBackFor(transaction, error);
  if (isUndoneAlready(transaction)) return end(transaction, rolledBack);
  const isAtRest = await comeToRest(transaction, deadline);
  if (isUndoneAlready(transaction)) return end(transaction, rolledBack);
  // Knex rejects with the reason where ROLLBACK was answered. Any other error says that it failed.
  const reason = rolledBack.error === undefined ? new Error('no reason was given') : rolledBack.error;
  const undone = isAtRest ? await sendInTime(transaction, deadline, () => port.send('rollback', reason)) : undefined;
  if (undone && (undone.isDone || undone.error === reason)) {
    await transaction.wasUndone(deadline);
  } else {
    if (undone) suppress(error, undone.error);
    connection.doubt();
    transaction.wasNotUndone(error, undone?.error);
  }
  end(transaction, rolledBack);
}

/** In a sandbox one may be begun inside another that would have had a connection of its own: it is undone with it all the same. */
function doomInside(transaction: Transaction): void {
  const message = (undone: Transaction) =>
    `transaction ${undone.name} was undone: transaction ${transaction.name}, inside which it was begun, was rolled back`;
  for (const inner of transaction.openInside()) inner.doom(inner.failure(message(inner), transaction.endReason));
}

/** What was done inside was undone or stored with the transaction around it, whose connection may have another user by now; or the connection is gone, and the server rolls back by itself. */
function isUndoneAlready(transaction: Transaction): boolean {
  if (transaction.isOver || transaction.parentHasEnded) return true;
  const { connection, root } = transaction;
  if (connection.refusal === undefined && !root.isAborted) return false;
  connection.doubt();
  return true;
}

/** What was done before a statement of the user's own that ended it may be stored. A reset may have been quicker. */
function end(transaction: Transaction, outcome: RolledBack): void {
  const { control } = transaction.view;
  if (control) suppress(outcome.error, control);
  if (!transaction.isOver) transaction.move({ is: 'ended', outcome });
}

type RolledBack = Extract<Outcome, { kind: 'rolledBack' }>;

/** For a rollback by hand without a reason knex resolves, or has an error of its own if it is configured to reject. */
function rolledBackFor({ block, port }: Transaction, error: unknown): RolledBack {
  const isByHand = error === undefined && !block;
  const resolves = isByHand && port.resolvesOnRollback;
  const own = isByHand && !resolves ? new Error(`Transaction rejected with non-error: ${error}`) : error;
  return { kind: 'rolledBack', error: own, resolves };
}

/** Waits until nothing runs, having cancelled what does. False: it goes on running. */
async function comeToRest(transaction: Transaction, deadline: Deadline): Promise<boolean> {
  const { connection, work } = transaction;
  // In a sandbox the running statement may belong to other code; it is waited for like any turn.
  if (connection.mutex.isShared && transaction.parent && (work.running === 0 || !hasTurn(transaction))) return true;
  if (connection.running > 0) {
    // Knex writes the SQL of each statement into an error that all of them get, unless it is one of ours.
    const how = (when: string) =>
      transaction.failure(`Transaction query already complete: its transaction was rolled back ${when}`, undefined);
    connection.dropWaiting(how('before it was sent'));
    connection.endStream(how('while it was read'));
  }
  // A failing statement is answered before the server is ready; that is no reason to cancel. One that mysql2 gave up on still runs.
  if (connection.running === 0 && !connection.isQuiet)
    await within(Math.min(LAST_ANSWER_MILLIS, deadline.leftMillis), connection.whenQuiet());
  await stop(connection, deadline);
  return connection.isQuiet && !connection.isEnded && connection.refusal === undefined;
}

/** Once a transaction, before it is rolled back or its connection discarded. Whoever else ends it meanwhile waits for them too. */
async function runFatalHooks(transaction: Transaction, error: unknown, deadline: Deadline): Promise<void> {
  const { view } = transaction;
  if (typeof view.fatal === 'string') {
    if (!transaction.hasLost(error)) return;
    // Set before a hook can ask.
    const over = defer();
    const hooks = { whenOver: over.promise, isOver: false };
    view.fatal = hooks;
    const told = tellFatal(transaction, error, deadline);
    over.resolve(told.finally(() => (hooks.isOver = true)));
  }
  await within(deadline, view.fatal.whenOver);
}

async function tellFatal(transaction: Transaction, error: unknown, { leftMillis }: Deadline): Promise<void> {
  publish('fatal', transaction.root, error);
  if (!transaction.hasHooks) return;
  const { hooks, work } = transaction;
  work.isInHooks = true;
  const errors = await bounded(leftMillis, () => hooks.runAll('onFatal', { error, fatal: true }));
  work.isInHooks = false;
  for (const later of errors ?? []) suppress(error, later);
}

/** Settles a transaction that a reset or the death of its connection took from its holders. What the callback threw wins. */
export async function settleAborted(transaction: Transaction, thrown?: Failure): Promise<void> {
  if (transaction.children.size > 0) {
    for (const child of transaction.children) if (child.isAborted) await settleAborted(child);
    // One turn, so that the callback can hear from those inside: what it throws then is what comes out.
    await nextTurn();
  }
  const { state, connection } = transaction;
  if (state.is !== 'aborted') return;
  // Whoever settles it meanwhile tells the same.
  if (thrown && !state.failure) transaction.move({ ...state, failure: thrown });
  if (transaction.hasConnection) connection.doubt();
  await runFatalHooks(transaction, transaction.endReason, new Deadline(stepMillis(transaction)));
  if (transaction.state.is === 'aborted') end(transaction, { kind: 'rolledBack', error: transaction.endReason });
}

/** Ends what is open inside a transaction that is being rolled back: the server undoes it all at once. */
export function endWithin(transaction: Transaction, error: unknown): void {
  for (const child of transaction.children) {
    endWithin(child, error);
    child.doom(error);
    const { state } = child;
    // One that is being rolled back already has a reason of its own.
    if (state.is === 'rollingBack') end(child, rolledBackFor(child, state.error));
    else end(child, { kind: 'rolledBack', error: state.is === 'aborted' ? child.endReason : error });
  }
}

/** In whatever state it is. Undefined: it ends already. */
export function rollBackByHand(transaction: Transaction, error: unknown): Promise<void> | undefined {
  if (transaction.isAborted) return settleAborted(transaction, error === undefined ? undefined : { error });
  return transaction.isOpen ? rollBack(transaction, error) : undefined;
}
