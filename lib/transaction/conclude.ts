// What comes after a transaction has given its connection back: a lost COMMIT is looked into, the last hooks run, the outcome is handed over.
import { AfterCommitError, suppress } from '../errors';
import { publish } from './channel';
import type { Scope } from './scope';
import type { Outcome } from './scope-details';
import { outcomeOnServer } from './verify-commit';

/** Returns the transaction's value or a promise of it. Throws or rejects with what it failed of. */
export function conclude(scope: Scope): unknown {
  const outcome = scope.outcome as Outcome;
  const isCommitted = outcome.kind === 'committed';
  if (outcome.kind === 'unknown' || (scope.hasHooks && (scope.isOutermost || !isCommitted)))
    return concludeSlowly(scope, outcome).finally(() => scope.concluded());
  publish(isCommitted ? 'commit' : 'rollback', scope, isCommitted ? undefined : outcome.error);
  scope.concluded();
  if (isCommitted) return outcome.value;
  if (outcome.resolves) return undefined;
  throw outcome.error;
}

async function concludeSlowly(scope: Scope, outcome: Outcome): Promise<unknown> {
  if (outcome.kind === 'unknown' && scope.block?.options.verifyCommit)
    scope.outcome = await outcomeOnServer(scope, outcome);
  const known = scope.outcome as Outcome;
  return known.kind === 'committed' ? afterCommit(scope, known.value) : afterFailure(scope, known);
}

async function afterCommit(scope: Scope, value: unknown): Promise<unknown> {
  publish('commit', scope);
  const errors = await scope.timeline.runAll('afterCommit');
  if (errors.length === 0) return value;
  scope.afterCommitError = new AfterCommitError(scope.name, errors, value);
  throw scope.afterCommitError;
}

async function afterFailure(scope: Scope, outcome: Exclude<Outcome, { kind: 'committed' }>): Promise<undefined> {
  const { error, kind } = outcome;
  const isUnknown = kind === 'unknown';
  publish(isUnknown ? 'unknown' : 'rollback', scope, error);
  if (scope.hasHooks) {
    const fatal = scope.hasLost(error);
    scope.lastHooks = scope.timeline.drop(scope);
    const errors = await scope.lastHooks.runAll(isUnknown ? 'afterUnknown' : 'afterRollback', { error, fatal });
    for (const later of errors) suppress(error, later);
  }
  if (!isUnknown && outcome.resolves) return undefined;
  throw error;
}
