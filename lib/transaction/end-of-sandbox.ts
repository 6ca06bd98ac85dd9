// The end of a transaction that is held open for a sandbox.
import { release, ROLLBACK, rollbackTo } from '../drivers/sql';
import type { SavepointMutex } from '../connection/savepoint-mutex';
import { within } from '../words/waiting';
import { endWithin, rollBackNow } from './roll-back';
import type { Transaction } from './transaction';

/** Ends it and all that is open inside: what runs is cancelled, what was done is undone. Returns what the check found, if it was made. */
export async function letGo(
  transaction: Transaction,
  mutex: SavepointMutex,
  constraintCheck: string | undefined,
): Promise<unknown> {
  let violation: unknown;
  if (transaction.isAborted) {
    transaction.settle();
  } else if (transaction.isOpen) {
    const error = transaction.ownRefusal?.error;
    transaction.move({ is: 'rollingBack', error });
    if (transaction.children.size > 0) endWithin(transaction, transaction.refusal?.error);
    if (constraintCheck !== undefined) violation = await checkAndUndo(transaction, mutex, constraintCheck);
    if (!transaction.isOver) await rollBackNow(transaction, error);
  }
  await transaction.whenOver;
  return violation;
}

/** Both in one message where the driver can. A check that fails, or is not answered in time, leaves the rest to a rollback like any other. */
async function checkAndUndo(
  transaction: Transaction,
  mutex: SavepointMutex,
  constraintCheck: string,
): Promise<unknown> {
  const { connection, instance } = transaction;
  const sent = mutex.finish(transaction, [constraintCheck, ...undoing(transaction)]).then(
    () => ({ error: undefined }),
    (error: unknown) => ({ error }),
  );
  const answer = await within(instance.settings.timeoutMillis, sent);
  if (answer && answer.error === undefined && !transaction.isOver) {
    const error = transaction.ownRefusal?.error;
    transaction.move({ is: 'ended', outcome: { kind: 'rolledBack', error, resolves: true } });
  }
  return answer && (connection.fatal ?? answer.error);
}

function undoing({ parent, id }: Transaction): string[] {
  return parent ? [rollbackTo(id), release(id)] : [ROLLBACK];
}
