// What comes after a transaction has given its connection back: a lost COMMIT is looked into, the last hooks run, the outcome is handed over.
import { AfterCommitError, suppress } from '../errors';
import { publish } from './channel';
import type { Scope } from './scope';
import type { Outcome } from './scope-details';
import { outcomeOnServer } from './verify-commit';

/** Returns the transaction's value or a promise of it. Rejects with what it failed of. */
export function conclude(scope: Scope): unknown {
  const { outcome } = scope;
  if (outcome?.kind === 'committed' && !(scope.isOutermost && scope.hasHooks)) {
    publish('commit', scope);
    scope.concluded();
    return outcome.value;
  }
  return concludeSlowly(scope).finally(() => scope.concluded());
}

async function concludeSlowly(scope: Scope): Promise<unknown> {
  if (scope.outcome?.kind === 'unknown' && scope.block?.options.verifyCommit) {
    scope.outcome = await outcomeOnServer(scope, scope.outcome);
  }
  const outcome = scope.outcome as Outcome;
  return outcome.kind === 'committed' ? afterCommit(scope, outcome.value) : afterFailure(scope, outcome);
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
