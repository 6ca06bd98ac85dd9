// A connection that came back doubtful: out of what runs on it, and out of its transaction.
import { type Deadline, within } from '../waiting';
import type { Session } from './session';

/** Longest wait for what its borrower left running, before it is cancelled: an answer that is under way needs no cancel. */
const LAST_ANSWER_MILLIS = 50;

export async function comeToRest(session: Session, deadline: Deadline): Promise<void> {
  const { driver, connection } = session;
  await within(LAST_ANSWER_MILLIS, session.whenQuiet());
  await session.stop(deadline);
  const status = driver.status(connection);
  if (status === 'open' || status === 'failed') await session.send('ROLLBACK');
}
