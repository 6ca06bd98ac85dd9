// What comes after a transaction has given its connection back: a lost COMMIT is looked into, the last hooks run, the outcome is handed over.
import { AfterCommitError, suppress } from '../words/errors';
import { bounded } from '../words/foreign';
import { within } from '../words/waiting';
import { publish } from './channel';
import { stepMillis } from './control-statements';
import type { HookRegister } from './hooks';
import type { Outcome } from './outcome';
import type { Transaction } from './transaction';
import { outcomeOnServer } from './verify-commit';

type Failed = Exclude<Outcome, { kind: 'committed' }>;

/** Returns the transaction's value or a promise of it. Throws or rejects with what it failed of. */
export function finish(transaction: Transaction): unknown {
  const outcome = transaction.outcome as Outcome;
  const isCommitted = outcome.kind === 'committed';
  const hasLastHooks = transaction.hasHooks && (transaction.isOutermost || !isCommitted);
  if (outcome.kind === 'unknown' || hasLastHooks) return finishSlowly(transaction, outcome);
  publish(isCommitted ? 'commit' : 'rollback', transaction, isCommitted ? undefined : outcome.error);
  transaction.move({ is: 'released', outcome });
  if (isCommitted) return outcome.value;
  if (outcome.resolves) return undefined;
  throw outcome.error;
}

async function finishSlowly(transaction: Transaction, decided: Outcome): Promise<unknown> {
  const { state, instance } = transaction;
  const outcome = state.is === 'inDoubt' ? await outcomeOnServer(instance, state) : decided;
  if (state.is === 'inDoubt') transaction.move({ is: 'ended', outcome });
  return outcome.kind === 'committed'
    ? afterCommit(transaction, outcome, outcome.value)
    : afterFailure(transaction, outcome);
}

async function afterCommit(transaction: Transaction, outcome: Outcome, value: unknown): Promise<unknown> {
  publish('commit', transaction);
  const errors = await lastHooks(transaction);
  const afterCommitError = errors.length > 0 ? new AfterCommitError(transaction.name, errors, value) : undefined;
  transaction.move({ is: 'released', outcome, afterCommitError });
  if (afterCommitError) throw afterCommitError;
  return value;
}

/** What the afterCommit hooks threw. One that goes on for long after the limit is given up. */
async function lastHooks(transaction: Transaction): Promise<unknown[]> {
  const { block, hooks, instance } = transaction;
  const running = hooks.runAll('afterCommit');
  const shared = instance.transactionLimit?.hooksBegin(transaction);
  const limits = [block?.limit.whenReached, shared?.whenReached].filter((limit) => limit !== undefined);
  const isLate = limits.map(async (reached) => {
    const { error } = await reached;
    await within(instance.settings.timeoutMillis, running);
    return [error];
  });
  try {
    return await Promise.race([running, ...isLate]);
  } finally {
    shared?.end();
  }
}

async function afterFailure(transaction: Transaction, outcome: Failed): Promise<undefined> {
  const { error, kind } = outcome;
  const isUnknown = kind === 'unknown';
  publish(isUnknown ? 'unknown' : 'rollback', transaction, error);
  let hooks: HookRegister | undefined;
  if (transaction.hasHooks) {
    const occasion = { error, fatal: transaction.hasLost(error) };
    const dropped = transaction.hooks.drop(transaction);
    hooks = dropped;
    const errors = await bounded(stepMillis(transaction), () =>
      dropped.runAll(isUnknown ? 'afterUnknown' : 'afterRollback', occasion),
    );
    for (const later of errors ?? []) suppress(error, later);
  }
  transaction.move({ is: 'released', outcome, hooks });
  if (!isUnknown && outcome.resolves) return undefined;
  throw error;
}
