// Transactions that wait in a sandbox: for those before them, and for what they have started. They share one connection there, so each
// wait is bounded as Knex's wait for a connection is: what is in the way may wait for them.
import { turnRefused } from '../connection/mutex';
import { within } from '../words/waiting';
import type { Enclosing } from './enclosing';

type Waiting = Enclosing & { ended(failure: { error: unknown }): unknown };

/**
 * Transactions that would have a connection each run one after the other: this one after those that are open when it is asked for. Their last
 * hooks are not waited for, as one of these may ask for it.
 *
 * @param waiting gives the one that waits
 * @throws SandboxError where they are not over in time
 */
export async function waitForSiblings(parent: Enclosing, waiting: () => Waiting): Promise<void> {
  const { acquireTimeoutMillis } = parent.instance;
  const areOver = earlierAreDecided(parent, waiting);
  if (await parent.connection.mutex.count(within(acquireTimeoutMillis, areOver))) return;
  const transaction = waiting();
  const inTheWay = [...parent.children].find(
    (each) => each !== transaction && !each.isOver && each.state.is !== 'acquiring',
  );
  if (!inTheWay) return;
  const how = 'transactions run one after the other in it, and this one is not over:';
  const error = turnRefused(acquireTimeoutMillis, how, inTheWay.describe());
  // Knex does not go on with it.
  await transaction.ended({ error });
  throw error;
}

/** The last one has waited for all before it. But it may have given up its wait, which must not let others pass: so it is looked again. */
async function earlierAreDecided(parent: Enclosing, waiting: () => Waiting): Promise<boolean> {
  let last = lastUndecided(parent.children);
  while (last) {
    await last.whenDecided;
    const self = waiting();
    last = self.isOver ? undefined : lastUndecided(parent.children, self);
  }
  return true;
}

function lastUndecided(children: Iterable<Enclosing>, before?: Enclosing): Enclosing | undefined {
  let last: Enclosing | undefined;
  for (const each of children) {
    if (each === before) break;
    if (!each.isOver) last = each;
  }
  return last;
}

/**
 * Waits for what a callback has started and not waited for. In a sandbox that may hold the only connection and never give it back:
 * resolves with the failure where it takes too long.
 */
export async function drain(transaction: Enclosing, isWanted: () => boolean): Promise<{ error: unknown } | undefined> {
  const { connection, work, instance } = transaction;
  const drained = work.drained(isWanted).then(() => true);
  if (!connection.mutex.isShared) {
    await drained;
    return undefined;
  }
  const waitMillis = instance.acquireTimeoutMillis;
  if (await within(waitMillis, drained)) return undefined;
  const inTheWay = connection.mutex.holder ?? [...transaction.children].find((each) => !each.isOver) ?? transaction;
  const how = `the end of transaction ${transaction.name} waits for`;
  return { error: turnRefused(waitMillis, how, inTheWay.describe()) };
}
