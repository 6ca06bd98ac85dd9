// A transaction on a connection of the user's own: a reset ends the transaction, and leaves the connection to the user.
import { quiesce } from '../connection/quiesce';
import { bounded, step } from '../words/foreign';
import type { ResetReport } from '../words/types';
import { type Deadline, within } from '../words/waiting';
import { abort, COMMIT_SHARE } from './abort';

type Entry = NonNullable<Parameters<typeof abort>[1]>;

export async function freeForeign(entry: Entry, deadline: Deadline, report: ResetReport): Promise<void> {
  const { connection } = entry;
  if (entry.isCommitting) await within(deadline.part(COMMIT_SHARE), entry.whenDecided);
  if (entry.isOver) return;
  step(() => abort(connection, entry, report));
  await bounded(deadline, () => quiesce(connection, deadline));
  // Its transaction settles in the next turn; what the user asks on the connection is asked outside of it.
  connection.accept(connection.stamp);
}
