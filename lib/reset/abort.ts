// Aborts what uses a connection when a reset begins: each user gets its error at once, and is counted in the report. On a connection of the
// user's own that is all that a reset does.
import { describeUse, type OpenEntry } from '../pool/open-entry';
import type { Connection } from '../connection/connection';
import { quiesce } from '../connection/quiesce';
import { transactionIdOf } from '../knex/connection-mark';
import { ResetError } from '../words/errors';
import { bounded, step, valueOr } from '../words/foreign';
import type { OpenTransaction, ResetReport } from '../words/types';
import { type Deadline, within } from '../words/waiting';

/** The share of the teardown's time that a transaction in COMMIT has to hear the answer. */
export const COMMIT_SHARE = 0.25;

/** Rejects everything that uses the connection or waits for its answer. Each victim has an error of its own. */
export function abort(connection: Connection, entry: OpenEntry | undefined, report: ResetReport): void {
  const { reason, generation } = report;
  const transaction = entry && !entry.holdsNothing ? entry.describe() : unregistered(connection);
  if (transaction) report.abortedTransactions.push(transaction);
  else if (connection.running > 0) report.abortedQueries++;
  const error = new ResetError({ reason, generation, transaction });
  connection.refuse(valueOr(undefined, () => entry?.abort(error)) ?? error);
}

/** A transaction on the connection that is not registered. */
function unregistered(connection: Connection): OpenTransaction | undefined {
  if (connection.user) return undefined;
  const { driver, raw } = connection;
  const status = driver.status(raw);
  // Knex before 3.2 leaves its mark on a connection that it gives back: it counts only where the driver cannot tell.
  const id = transactionIdOf(raw);
  if (status === 'idle' || (status === 'unknown' && id === undefined)) return undefined;
  const state = connection.running > 0 ? 'running' : status === 'failed' ? 'failed' : 'idle';
  return describeUse(connection, id ?? 'unknown', state);
}

/** A transaction on a connection of the user's own: a reset ends the transaction, and leaves the connection to the user. */
export async function freeForeign(entry: OpenEntry, deadline: Deadline, report: ResetReport): Promise<void> {
  const { connection } = entry;
  if (entry.isCommitting) await within(deadline.part(COMMIT_SHARE), entry.whenDecided);
  if (entry.holdsNothing) return;
  step(() => abort(connection, entry, report));
  await bounded(deadline, () => quiesce(connection, deadline));
  // Its transaction settles in the next turn; what the user asks on the connection is asked outside of it.
  connection.accept(connection.stamp);
}
