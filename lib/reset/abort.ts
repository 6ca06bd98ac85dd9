// Aborts what uses a connection when a reset begins: each user gets its error at once, and is counted in the report.
import { describeUse, type OpenEntry } from '../pool/open-entry';
import type { Connection } from '../connection/connection';
import { transactionIdOf } from '../knex/connection-mark';
import { ResetError } from '../words/errors';
import { valueOr } from '../words/foreign';
import type { OpenTransaction, ResetReport } from '../words/types';

/** The share of the teardown's time that a transaction in COMMIT has to hear the answer. */
export const COMMIT_SHARE = 0.25;

/** Rejects everything that uses the connection or waits for its answer. Each victim has an error of its own. */
export function abort(connection: Connection, entry: OpenEntry | undefined, report: ResetReport): void {
  const { reason, generation } = report;
  const transaction = entry && !entry.isOver ? entry.describe() : unregistered(connection);
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
