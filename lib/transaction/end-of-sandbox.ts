// The end of a transaction that is held open for a sandbox.
import { stop } from '../connection/quiesce';
import { release, ROLLBACK, rollbackTo } from '../drivers/sql';
import type { TurnHolder } from '../connection/mutex';
import type { SavepointMutex } from '../connection/savepoint-mutex';
import { cutOffBy } from '../pool/sandboxes';
import { shown } from '../words/describe';
import { SandboxError } from '../words/errors';
import { Deadline, heard, within } from '../words/waiting';
import { giveUp, hasTurn } from './control-statements';
import { endWithin, rollBackNow } from './roll-back';
import type { Transaction } from './transaction';

/** How much of the time the check has: what runs longer is still cancelled and rolled back in the rest. */
const SHARE_OF_CHECK = 3 / 4;

const LOOK_AGAIN_MILLIS = 20;

/**
 * Ends it and all that is open inside, within the instance's time: what runs is cancelled, what was done is undone. Returns what the check
 * found, or why it could not be made, if it was asked for.
 */
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
    const deadline = new Deadline(transaction.instance.settings.timeoutMillis);
    if (isHeldInside(transaction, mutex)) await cutOff(transaction, mutex, deadline);
    if (constraintCheck !== undefined)
      violation = await checkAndUndo(transaction, mutex, { constraintCheck, deadline });
    if (!transaction.isOver) await rollBackNow(transaction, error, deadline);
  }
  await transaction.whenOver;
  return violation;
}

/** Both in one message where the driver can. A check that fails, or is not answered in time, leaves the rest to a rollback like any other. */
async function checkAndUndo(
  transaction: Transaction,
  mutex: SavepointMutex,
  { constraintCheck, deadline }: { constraintCheck: string; deadline: Deadline },
): Promise<unknown> {
  const { connection, instance, parent } = transaction;
  const { timeoutMillis } = instance.settings;
  const turn = heard(mutex.finish(transaction));
  const had = await (parent ? turn : within(deadline, turn));
  if (had && 'error' in had) return connection.fatal ?? had.error;
  // What is asked outside of one inside another may have the turn for long: its time begins with its own.
  const time = parent ? new Deadline(timeoutMillis) : deadline;
  const sent = had?.value([constraintCheck, ...undoing(transaction)]);
  const answer = sent && (await within(time.part(SHARE_OF_CHECK), heard(sent)));
  if (!answer) {
    // Its turn lasts until it is answered.
    await stop(connection, time);
    if (!connection.isQuiet) giveUp(transaction);
    return connection.fatal ?? unchecked(timeoutMillis);
  }
  if ('error' in answer) return connection.fatal ?? answer.error;
  if (!transaction.isOver) {
    const error = transaction.ownRefusal?.error;
    transaction.move({ is: 'ended', outcome: { kind: 'rolledBack', error, resolves: true } });
  }
  return connection.fatal;
}

function unchecked(timeoutMillis: number): SandboxError {
  return new SandboxError(
    `the deferred constraints could not be checked in time: the end of a sandbox has ${timeoutMillis} ms (timeoutMillis)`,
  );
}

/** What has the turn is its own: one inside another leaves alone, and waits for, what is asked outside of it. */
function isHeldInside(transaction: Transaction, { holder }: SavepointMutex): boolean {
  const guests: ReadonlySet<unknown> | undefined = transaction.sandbox?.guests;
  return holder !== undefined && (!transaction.parent || hasTurn(transaction) || guests?.has(holder) === true);
}

/** What runs does not fail of the error of the cancel, which says neither why, nor where it was asked. What is held by hand may stay so. */
async function cutOff(transaction: Transaction, mutex: SavepointMutex, deadline: Deadline): Promise<void> {
  const { connection, sandbox } = transaction;
  const turn = mutex.take(transaction).then(
    (end) => {
      end();
      return 'had';
    },
    () => 'refused',
  );
  let came: string | undefined;
  while (came === undefined && deadline.leftMillis > 0) {
    if (sandbox && connection.running > 0)
      connection.dropAll(cutOffBy(sandbox, running(mutex.holder, connection.lastSql)));
    await stop(connection, deadline);
    // A statement that had its turn already may not have been sent when this looked.
    came = await within(Math.min(LOOK_AGAIN_MILLIS, deadline.leftMillis), turn);
  }
  if (came !== 'had') giveUp(transaction);
}

/** What has the turn, and where that was opened. */
function running(holder: TurnHolder | undefined, lastSql = ''): string {
  const description = holder?.describe();
  if (!description) return `"${shown(lastSql)}" ran`;
  const [where] = description.stack.split('\n');
  const at = where ? `, opened ${where}` : '';
  if ('what' in description) return `${description.what} ran${at}`;
  const { label, id } = description;
  return `"${shown(lastSql)}" ran in transaction ${shown(label ?? id)}${at}`;
}

function undoing({ parent, id }: Transaction): string[] {
  return parent ? [rollbackTo(id), release(id)] : [ROLLBACK];
}
