// A transaction that is ended from outside of its callback, by a limit or a signal: cancelled on the server, rolled back, rejected with the error.
import { inBackground } from '../words/foreign';
import { Deadline, within } from '../words/waiting';
import { giveUp, hasTurn } from './control-statements';
import { endWithin, rollBack } from './roll-back';
import type { Transaction } from './transaction';

export async function interrupt(transaction: Transaction, error: unknown): Promise<void> {
  switch (transaction.state.is) {
    case 'acquiring':
    case 'beginning':
      return stopBeginning(transaction, error);
    case 'open':
    case 'draining':
    case 'doomed':
      // One that never began is given up when its BEGIN is answered.
      if (!transaction.isOpen) return;
      transaction.doom(error);
      endWithin(transaction, error);
      return rollBack(transaction, error);
    case 'committing':
      return cancelCommit(transaction, error);
    case 'aborted':
      // There will be no other attempt that the end of its callback would have to be waited for.
      return transaction.settle();
    default:
    // Its end is under way, or over.
  }
}

/** One without a connection is stopped once it gets one; a BEGIN that is not answered leaves a connection of no use, unless that is others' as well. */
function stopBeginning(transaction: Transaction, error: unknown): void {
  const isBeginning = transaction.state.is === 'beginning';
  transaction.doom(error);
  if (isBeginning && transaction.ownsConnection)
    inBackground(transaction.instance.pool.register.discard(transaction.connection));
}

/** The answer decides. A COMMIT that waits, for a deferred check or a lock, is cancelled like any statement; one that waits for its turn is not sent yet. */
async function cancelCommit(transaction: Transaction, error: unknown): Promise<void> {
  const { connection, instance, state } = transaction;
  if (state.is !== 'committing' || !hasTurn(transaction)) return;
  const watch = connection.driver.watchCut?.(connection.raw);
  transaction.move({ ...state, cancelledFor: { error, hasCutWait: () => watch?.hasCut() ?? false } });
  const deadline = new Deadline(instance.settings.timeoutMillis);
  await connection.cancel(deadline);
  await within(deadline.leftMillis, transaction.whenDecided);
  watch?.end();
  if (transaction.isOver) return;
  giveUp(transaction);
  if (transaction.ownsConnection) inBackground(instance.pool.register.discard(connection));
}
