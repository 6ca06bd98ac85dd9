// ROLLBACK, and ROLLBACK TO a savepoint: whatever comes on the way, what it was for is the outcome.
import { suppress } from '../words/errors';
import { markCompleted } from '../knex/transaction-class';
import { Deadline, nextTurn, within } from '../words/waiting';
import { publish } from './channel';
import type { Transaction } from './transaction';
import type { Outcome } from './transaction-details';
import { sendInternal, sendControl, type StepResult } from './control';

/** Rolls back what can be rolled back; `error` is the outcome whatever comes on the way. What is around it is not committed before. */
export async function rollBack(transaction: Transaction, error: unknown): Promise<void> {
  const leave = transaction.enterAround();
  try {
    await rollBackNow(transaction, error);
  } finally {
    leave();
  }
}

async function rollBackNow(transaction: Transaction, error: unknown): Promise<void> {
  const { connection, root } = transaction;
  transaction.phase = 'ending';
  transaction.reason = error;
  markCompleted(transaction.trx, true);
  await runFatalHooks(transaction, error);
  const rolledBack = rolledBackFor(transaction, error);
  // What was done inside was undone or stored with the transaction around it. Its connection may have another user by now.
  if (transaction.parentHasEnded) return transaction.decide(rolledBack);
  if (connection.refusal !== undefined || root.isAborted) {
    // The connection is gone, and the server rolls back by itself.
    connection.doomed = true;
    return transaction.decide(rolledBack);
  }
  const isAtRest = await comeToRest(transaction);
  // The one around it was rolled back meanwhile, and this with it.
  if (transaction.parentHasEnded) return transaction.decide(rolledBack);
  const undone = isAtRest ? await undo(transaction, error) : undefined;
  // Knex has an error of its own for a rollback without a reason, if it is configured to reject.
  if (undone && !undone.isDone && error === undefined && connection.death === undefined)
    return transaction.decide({ kind: 'rolledBack', error: undone.error });
  if (undone && (undone.isDone || undone.error === error)) {
    await dropSavepoint(transaction);
  } else {
    if (undone) suppress(error, undone.error);
    connection.doomed = true;
    if (transaction.isSavepoint)
      root.doom ??= error ?? transaction.failure(`savepoint ${transaction.name} was not rolled back`, undone?.error);
  }
  return transaction.decide(rolledBack);
}

/** For a rollback by hand without a reason knex resolves, or has an error of its own if it is configured to reject. */
function rolledBackFor({ block, trx }: Transaction, error: unknown): Outcome {
  const isByHand = error === undefined && !block;
  const resolves = isByHand && trx.doNotRejectOnRollback !== false;
  const own = isByHand && !resolves ? new Error(`Transaction rejected with non-error: ${error}`) : error;
  return { kind: 'rolledBack', error: own, resolves };
}

/** Returns undefined on timeout. For a savepoint the clock starts when it has its turn, because other code may use the connection for long. */
function undo(transaction: Transaction, error: unknown): Promise<StepResult | undefined> {
  const { timeoutMillis } = transaction.instance.settings;
  const sent = sendControl(transaction, () => transaction.undo(error), timeoutMillis);
  return transaction.isSavepoint ? sent : within(timeoutMillis, sent);
}

/** A savepoint stays after ROLLBACK TO; without this a block's would pile up in a long transaction. */
async function dropSavepoint(transaction: Transaction): Promise<void> {
  if (!transaction.block || !transaction.isSavepoint) return;
  await sendInternal(transaction, `RELEASE SAVEPOINT ${transaction.id};`).catch(() => {
    transaction.connection.doomed = true;
  });
}

/** Waits until nothing runs, having cancelled what does. False: it goes on running. */
async function comeToRest(transaction: Transaction): Promise<boolean> {
  const { connection } = transaction;
  // In a sandbox the running statement may belong to other code; it is waited for like any turn.
  if (connection.mutex.isShared && transaction.isSavepoint && transaction.running === 0) return true;
  if (connection.running > 0) {
    const how = (when: string) =>
      new Error(`Transaction query already complete: its transaction was rolled back ${when}`);
    connection.dropWaiting(how('before it was sent'));
    connection.endStream(how('while it was read'));
  }
  const deadline = new Deadline(transaction.instance.settings.timeoutMillis);
  // A failing statement is answered before the server is ready; that is no reason to cancel. One that mysql2 gave up on still runs.
  if (connection.running === 0 && !connection.isQuiet)
    await within(Math.min(100, deadline.leftMillis), connection.whenQuiet());
  await connection.stop(deadline);
  return connection.isQuiet && connection.refusal === undefined;
}

/** Once a transaction, before it is rolled back or its connection discarded. */
async function runFatalHooks(transaction: Transaction, error: unknown): Promise<void> {
  const { root } = transaction;
  if (root.fatalHooksRan || !transaction.hasLost(error)) return;
  root.fatalHooksRan = true;
  root.hadFatal = true;
  publish('fatal', root, error);
  if (!transaction.hasHooks) return;
  for (const later of await transaction.hooks.runAll('onFatal', { error, fatal: true })) suppress(error, later);
}

/** Settles a transaction that a reset or the death of its connection took from its holders. What the callback threw wins. */
export async function settleAborted(transaction: Transaction, thrown?: unknown): Promise<void> {
  if (transaction.children.size > 0) {
    for (const child of transaction.children) await settleAborted(child);
    // One turn, so that the callback can hear from those inside: what it throws then is what comes out.
    await nextTurn();
  }
  if (transaction.outcome) return;
  // A rollback that was under way has its reason already.
  const error = thrown ?? transaction.reason ?? transaction.doom ?? transaction.root.doom;
  transaction.phase = 'ending';
  if (transaction.connection?.user === transaction.root) transaction.connection.doomed = true;
  await runFatalHooks(transaction, error);
  transaction.decide({ kind: 'rolledBack', error });
}

/** Ends what is open inside a scope that is being rolled back: the server undoes it all at once. */
export function endWithin(transaction: Transaction, error: unknown): void {
  for (const child of transaction.children) {
    endWithin(child, error);
    if (child.outcome) continue;
    child.doom ??= error;
    child.decide({ kind: 'rolledBack', error });
  }
}
