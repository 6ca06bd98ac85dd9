// COMMIT, and RELEASE of a savepoint: what comes before it. What is sent, and what the answer means, is in root.ts and savepoint.ts.
import { type Recorded, recordXid } from '../drivers/pg/commit-status';
import { drain } from './sandbox-waits';
import { rollBack, settleAborted } from './roll-back';
import type { Failure } from '../words/failure';
import type { Transaction } from './transaction';

/** The result of the steps before COMMIT. */
interface Prepared {
  failure?: Failure | undefined;
  recorded?: Recorded | undefined;
}

const NOTHING: Prepared = {};

/** Resolves when the end is decided, or another has taken it over. */
export async function commit(transaction: Transaction, value: unknown): Promise<void> {
  let { failure, recorded } = NOTHING;
  if (transaction.state.is === 'open') {
    transaction.move({ is: 'draining', value });
    if (!isReady(transaction)) ({ failure, recorded } = await prepared(transaction));
  }
  // What is waited for takes its time: a limit, a reset or a fatal error may have come.
  if (transaction.isAborted) return settleAborted(transaction);
  if (!transaction.isOpen) return;
  if (transaction.parentHasEnded) return followParent(transaction, value);
  failure ??= transaction.refusal ?? refusalOf(transaction);
  return failure ? rollBack(transaction, failure.error) : transaction.sendCommit(value, recorded);
}

/** In whatever state it is. Undefined: it is about to be committed already. */
export function commitByHand(transaction: Transaction, value: unknown): Promise<void> | undefined {
  if (transaction.isAborted) return settleAborted(transaction);
  return transaction.state.is === 'draining' ? undefined : commit(transaction, value);
}

/** Nothing can be sent any more: COMMIT would be taken for one that was. */
function refusalOf({ connection }: Transaction): Failure | undefined {
  return connection.refusal && { error: connection.death ?? connection.refusal };
}

function isReady({ work, hasHooks, connection, block }: Transaction): boolean {
  return !work.isPending && work.failures.isEmpty && !hasHooks && connection.isQuiet && !block?.options.verifyCommit;
}

/** What comes before COMMIT where anything does. A refusal is for the caller to see. */
async function prepared(transaction: Transaction): Promise<Prepared> {
  const { connection } = transaction;
  const isWanted = () => transaction.state.is === 'draining' && !transaction.refusal && !connection.refusal;
  const steps = [() => drain(transaction, isWanted)];
  if (transaction.isOutermost)
    steps.push(
      () => beforeCommit(transaction),
      () => drain(transaction, isWanted),
    );
  for (const step of steps) {
    const failure = isWanted() ? await step() : undefined;
    if (failure) return { failure };
  }
  if (!isWanted()) return NOTHING;
  const { failure, recorded } = await record(transaction);
  if (failure) return { failure };
  // COMMIT behind a running query might never be sent, and it would not be known whether it was. In a sandbox it has its turn.
  if (isWanted() && !connection.mutex.isShared) await connection.whenQuiet();
  return { failure: isWanted() ? unawaited(transaction) : undefined, recorded };
}

async function beforeCommit(transaction: Transaction): Promise<Failure | undefined> {
  if (!transaction.hasHooks) return undefined;
  transaction.work.isInHooks = true;
  try {
    await transaction.inContext(() => transaction.hooks.runBeforeCommit());
    return undefined;
  } catch (error) {
    return { error };
  } finally {
    transaction.work.isInHooks = false;
  }
}

/** For `verifyCommit`: the id by which the server can be asked what became of it. */
async function record(transaction: Transaction): Promise<Prepared> {
  const { block, connection, view, parent } = transaction;
  if (!block?.options.verifyCommit || parent || view.firstError !== undefined) return NOTHING;
  try {
    return { recorded: await recordXid(connection.raw, (sql) => connection.send(sql)) };
  } catch (error) {
    return { failure: transaction.refusal ?? { error: connection.fatal ?? error } };
  }
}

/**
 * What failed on the server makes COMMIT fail; what failed before it got there, or on a server that goes on, must as well.
 * Which of them it was is known now: an error arrives before the status of the transaction does.
 */
function unawaited(transaction: Transaction): Failure | undefined {
  const { connection, work } = transaction;
  const { lost } = work.failures;
  if (!lost || connection.status === 'failed') return undefined;
  const message = `${lost.what} transaction ${transaction.name} failed that its block had not waited for`;
  return { error: transaction.failure(message, lost.error) };
}

/** It ended with the transaction around it: stored where that was, undone where that was. */
async function followParent(transaction: Transaction, value: unknown): Promise<void> {
  for (let { parent } = transaction; parent; { parent } = parent) if (parent.isCommitting) await parent.whenDecided;
  if (!transaction.isOpen) return;
  const isWanted = !transaction.refusal && transaction.state.is === 'draining';
  if (!isWanted || !isStored(transaction.parent)) return rollBack(transaction, outlived(transaction));
  transaction.move({ is: 'committing', value });
  transaction.move({ is: 'ended', outcome: { kind: 'committed', value } });
}

/** Each one around it was committed, or is open and may be yet. */
function isStored(around: Transaction | undefined): boolean {
  if (!around) return true;
  return (around.outcome?.kind === 'committed' || around.isOpen) && isStored(around.parent);
}

function outlived(transaction: Transaction): Error {
  return transaction.failure(
    `savepoint ${transaction.name} was not released: the transaction around it had ended before`,
    undefined,
  );
}
