// For a connection that holds the data (SQLite in memory): a reset ends what is open on it, and never closes it.
import { stop } from '../connection/quiesce';
import { ROLLBACK } from '../drivers/sql';
import type { Connection } from '../connection/connection';
import { type Deadline, nextTurn, within } from '../words/waiting';

/** A query that was rejected gives its connection back in the same turn; code that took one by hand knows nothing of the reset. */
const LET_GO_MILLIS = 20;

/** The books that the connection is in. */
export interface Books {
  readonly generation: number;
  /** An eviction came since it was opened: it is not lent again, whatever it answers. */
  isEvicted(connection: Connection): boolean;
  /** It is as new: it goes back for the next borrower. */
  restore(connection: Connection): void;
}

/** Resolves when the connection is free for the next borrower, or waits for nothing but to be given back. */
export async function rollBackInPlace(register: Books, connection: Connection, deadline: Deadline): Promise<void> {
  const { driver, raw } = connection;
  await stop(connection, deadline);
  if (driver.status(raw) !== 'idle') await within(deadline.leftMillis, connection.send(ROLLBACK));
  // A late release would take the connection from the next borrower. A transaction's is fenced off by its use.
  if (connection.lease.isHeldInside) await nextTurn();
  const isHeldByHand = connection.lent && (connection.user === undefined || connection.lease.isHeldInside);
  if (isHeldByHand) await within(Math.min(LET_GO_MILLIS, deadline.leftMillis), connection.whenReturned());
  if (connection.closing !== undefined) return;
  if (isHeldByHand && !connection.isGivenBack) {
    // Nothing more is sent for its holder, and the pool has it when he gives it back.
    connection.leaveToBorrower();
    connection.doubt();
    return;
  }
  connection.accept(register.generation);
  register.restore(connection);
}
