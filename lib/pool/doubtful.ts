// A doubtful connection that comes back is never lent as it is.
import type { Lendable } from '../connection/lendable';
import { quiesce } from '../connection/quiesce';
import { Deadline, within } from '../words/waiting';

interface Return {
  /** Closing it would lose its data. */
  readonly isKept: boolean;
  /** It may be lent again, if it comes to rest and out of its transaction. */
  readonly isOfUse: boolean;
  readonly timeoutMillis: number;
}

/** Brings it to rest within the bound. False: it is closed or given back elsewhere. */
export async function isFreed(connection: Lendable, { isKept, isOfUse, timeoutMillis }: Return): Promise<boolean> {
  if (connection.closing !== undefined) return false;
  const deadline = new Deadline(timeoutMillis);
  if (isKept || (isOfUse && connection.health.isSound)) await within(deadline, quiesce(connection, deadline));
  if (connection.closing !== undefined) return false;
  if (connection.isSeized) {
    // A reset came meanwhile, and has it now.
    connection.givenBack();
    return false;
  }
  if (!isKept || connection.lease.heldByHand === 0) return true;
  // The code that has it from inside its transaction gives it back.
  connection.lease.heldByHand--;
  return false;
}
