// Whether a borrower lets go of a connection that a reset has taken and is to be lent again: a late release would take it from the next borrower.
import type { Lendable } from '../connection/lendable';
import { type Deadline, nextTurn, within } from '../words/waiting';

/** A query that was rejected gives its connection back in the same turn; code that took one by hand knows nothing of the reset. */
const LET_GO_MILLIS = 20;

/** False: it is held by hand. A transaction's own late release is fenced off by its use. */
export async function isLetGo(connection: Lendable, deadline: Deadline): Promise<boolean> {
  const { lease, lent, user } = connection;
  if (lease.isHeldInside) await nextTurn();
  if (!lent || !(user === undefined || user.usesCallersConnection || lease.isHeldInside)) return true;
  await within(Math.min(LET_GO_MILLIS, deadline.leftMillis), lease.whenOver());
  return lease.isOver;
}
