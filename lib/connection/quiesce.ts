// Brings a doubtful connection to rest: stops what runs on it and rolls its transaction back, or reports that this failed.
import { type Deadline, within } from '../words/waiting';
import type { Connection } from './connection';

/** Longest wait for what its borrower left running, before it is cancelled: an answer that is under way needs no cancel. */
const LAST_ANSWER_MILLIS = 50;

export async function quiesce(connection: Connection, deadline: Deadline): Promise<void> {
  const { driver, raw } = connection;
  await within(Math.min(LAST_ANSWER_MILLIS, deadline.leftMillis), connection.whenQuiet());
  await connection.stop(deadline);
  const status = driver.status(raw);
  if (status === 'open' || status === 'failed') await connection.send('ROLLBACK');
}
