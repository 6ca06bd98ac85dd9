// A connection that is the data (SQLite in memory): a reset ends what is open on it, and never closes it.
import type { Instance } from '../pool/instance';
import type { Session } from '../pool/session';
import { Deadline, nextTurn, within } from '../waiting';

/** A query that was told of the reset gives its connection back in the same turn; who took one by hand does not know of it. */
const LET_GO_MILLIS = 20;

/** Resolves when the connection is free for the next borrower, or waits for nothing but to be given back. */
export async function rollBackInPlace(instance: Instance, session: Session, timeoutMillis: number): Promise<void> {
  const { driver, connection } = session;
  const deadline = new Deadline(timeoutMillis);
  await session.stop(deadline);
  if (driver.status(connection) !== 'idle') await within(deadline.leftMillis, session.send('ROLLBACK'));
  // A late release would take the connection from the next borrower. A transaction's is fenced off by its tenancy.
  if (session.isHeldInside) await nextTurn();
  const isHeldByHand = session.lent && (session.tenant === undefined || session.isHeldInside);
  if (isHeldByHand) await within(Math.min(LET_GO_MILLIS, deadline.leftMillis), session.whenReturned());
  if (isHeldByHand && !session.isGivenBack) {
    // Nothing more is sent for its holder, and the pool has it when he gives it back.
    session.isTaken = false;
    session.doomed = true;
    return;
  }
  session.accept(instance.pool.generation);
  instance.pool.restore(session);
}
