// The requests to end a transaction: knex makes them after the callback, user code through the handle.
import { BlockControlError, TransactionFailedError } from '../words/errors';
import type { Send } from '../knex/transaction-class';
import { commit } from './commit';
import { rollBack, settleAborted } from './roll-back';
import type { Transaction } from './transaction';

/** COMMIT, or RELEASE of a savepoint. Rejects where that failed; knex's own call after a callback gets the same. */
export async function requestCommit(transaction: Transaction, value: unknown, send: Send): Promise<unknown> {
  endAsked(transaction, 'commit()');
  if (transaction.isAborted) await settleAborted(transaction);
  else if (transaction.phase === 'open') await commit(transaction, value, send);
  await transaction.whenOver;
  const { outcome, afterCommitError } = transaction;
  if (afterCommitError) throw afterCommitError;
  if (outcome?.kind === 'committed') return undefined;
  if (outcome?.error !== undefined) throw outcome.error;
  throw new TransactionFailedError(`transaction ${transaction.name} was rolled back before it was committed`, {
    transaction: transaction.describe(),
  });
}

/** ROLLBACK, or ROLLBACK TO a savepoint. Never rejects: what the rollback was for is the transaction's outcome. */
export async function requestRollback(transaction: Transaction, error: unknown): Promise<unknown> {
  endAsked(transaction, 'rollback()');
  if (transaction.isAborted) await settleAborted(transaction, error);
  else if (transaction.phase === 'open') await rollBack(transaction, error);
  await transaction.whenOver;
  return undefined;
}

/** Knex asks for the end of a block once its callback has ended, and again only if that failed. Any other request comes from the block or a hook. */
function endAsked(transaction: Transaction, call: string): void {
  const isByHand =
    transaction.joined > 0 ||
    (transaction.block && (transaction.isCallbackRunning || (transaction.isEndAsked && !transaction.isConcluded)));
  if (isByHand) {
    throw new BlockControlError(
      `transaction ${transaction.name} belongs to a block: return or throw instead of calling ${call}`,
    );
  }
  transaction.isEndAsked = true;
}
