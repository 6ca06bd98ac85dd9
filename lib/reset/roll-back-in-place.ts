// For a connection that holds the data (SQLite in memory): a reset ends what is open on it, and never closes it.
import type { Lendable } from '../connection/lendable';
import { bringToRest } from '../connection/quiesce';
import { type Deadline, within } from '../words/waiting';
import { isLetGo } from './let-go';

/** The books that the connection is in. */
export interface Books {
  /** An eviction came since it was opened: it is not lent again, whatever it answers. */
  isEvicted(connection: Lendable): boolean;
  /** It is of the present generation. */
  renew(connection: Lendable): void;
  /** It is as new: it goes back for the next borrower. */
  restore(connection: Lendable): void;
}

/** Resolves when the connection is free for the next borrower, or waits for nothing but to be given back. */
export async function rollBackInPlace(register: Books, connection: Lendable, deadline: Deadline): Promise<void> {
  await within(deadline, bringToRest(connection, deadline));
  const isFree = await isLetGo(connection, deadline);
  if (connection.closing !== undefined) return;
  if (!isFree) {
    // Nothing more is sent for its holder, and the pool has it when he gives it back.
    connection.leaveToBorrower();
    connection.doubt();
    return;
  }
  register.renew(connection);
  register.restore(connection);
}
