// Brings a connection to rest: what runs on it is stopped, and what is open on it is rolled back.
import { ROLLBACK } from '../drivers/sql';
import { type Deadline, within } from '../words/waiting';
import type { StatementQueue } from './statement-queue';

/** Longest wait for what its borrower left running, before it is cancelled: an answer that is under way needs no cancel. */
const LAST_ANSWER_MILLIS = 50;

/** For a connection that its borrower gave back, or that is his own. Rejects where ROLLBACK fails. */
export async function quiesce(connection: StatementQueue, deadline: Deadline): Promise<void> {
  await within(Math.min(LAST_ANSWER_MILLIS, deadline.leftMillis), connection.whenQuiet());
  await bringToRest(connection, deadline);
}

/** The same at once. */
export async function bringToRest(connection: StatementQueue, deadline: Deadline): Promise<void> {
  await stop(connection, deadline);
  if (connection.status !== 'idle') await connection.send(ROLLBACK);
}

/** How long a CancelRequest may take to have its effect before another is sent. */
const CANCEL_AGAIN_MILLIS = 100;

/** Cancels what runs until nothing does, or the time is up: a request can overtake the statement that it was meant for. */
export async function stop(connection: StatementQueue, deadline: Deadline): Promise<void> {
  while (connection.driver.cancel && !connection.isQuiet && deadline.leftMillis > 0) {
    await connection.cancel(deadline);
    await within(Math.min(CANCEL_AGAIN_MILLIS, deadline.leftMillis), connection.whenQuiet());
  }
}
