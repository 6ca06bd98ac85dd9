// Who may end a transaction, and what they hear: knex after its callback, or whoever has its handle.
import { BlockControlError, TransactionFailedError } from '../errors';
import type { Send } from '../knex/transaction-class';
import { commit } from './commit';
import { rollBack, settleAborted } from './roll-back';
import type { Scope } from './scope';

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
