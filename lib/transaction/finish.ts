// What comes after a transaction has given its connection back: a lost COMMIT is looked into, the last hooks run, the outcome is handed over.
import { AfterCommitError, suppress } from '../words/errors';
import { publish } from './channel';
import type { Transaction } from './transaction';
import type { Outcome } from './transaction-details';
import { outcomeOnServer } from './verify-commit';

/** Returns the transaction's value or a promise of it. Throws or rejects with what it failed of. */
export function finish(transaction: Transaction): unknown {
  const outcome = transaction.outcome as Outcome;
  const isCommitted = outcome.kind === 'committed';
  if (outcome.kind === 'unknown' || (transaction.hasHooks && (transaction.isOutermost || !isCommitted)))
    return concludeSlowly(transaction, outcome).finally(() => transaction.concluded());
  publish(isCommitted ? 'commit' : 'rollback', transaction, isCommitted ? undefined : outcome.error);
  transaction.concluded();
  if (isCommitted) return outcome.value;
  if (outcome.resolves) return undefined;
  throw outcome.error;
}

async function concludeSlowly(transaction: Transaction, outcome: Outcome): Promise<unknown> {
  if (outcome.kind === 'unknown' && transaction.block?.options.verifyCommit)
    transaction.outcome = await outcomeOnServer(transaction, outcome);
  const known = transaction.outcome as Outcome;
  return known.kind === 'committed' ? afterCommit(transaction, known.value) : afterFailure(transaction, known);
}

async function afterCommit(transaction: Transaction, value: unknown): Promise<unknown> {
  publish('commit', transaction);
  const errors = await transaction.hooks.runAll('afterCommit');
  if (errors.length === 0) return value;
  transaction.afterCommitError = new AfterCommitError(transaction.name, errors, value);
  throw transaction.afterCommitError;
}

async function afterFailure(
  transaction: Transaction,
  outcome: Exclude<Outcome, { kind: 'committed' }>,
): Promise<undefined> {
  const { error, kind } = outcome;
  const isUnknown = kind === 'unknown';
  publish(isUnknown ? 'unknown' : 'rollback', transaction, error);
  if (transaction.hasHooks) {
    const fatal = transaction.hasLost(error);
    transaction.lastHooks = transaction.hooks.drop(transaction);
    const errors = await transaction.lastHooks.runAll(isUnknown ? 'afterUnknown' : 'afterRollback', { error, fatal });
    for (const later of errors) suppress(error, later);
  }
  if (!isUnknown && outcome.resolves) return undefined;
  throw error;
}
