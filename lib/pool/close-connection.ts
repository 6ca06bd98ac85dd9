// How one connection ends so that the server lets go of it: asked first, then terminated, its socket cut only at last.
import type { Session } from './session';
import { Deadline, within } from '../waiting';

/** How long the second connection may take to say goodbye. */
const GOODBYE_MILLIS = 100;

/**
 * Ends the connection within the time. Each of the three steps has a third of it.
 * @returns `'ended'` when the server closed it in an orderly way, `'forced'` when it was terminated or cut
 */
export async function closeConnection(session: Session, timeoutMillis: number): Promise<'ended' | 'forced'> {
  const { driver, connection } = session;
  if (session.isEnded || session.death !== undefined || driver.isGone(connection)) {
    // Gone already. Its socket may still be half open, and would keep the process alive.
    driver.cut(connection);
    if (!session.mayWorkOn) return 'ended';
    await terminate(session, timeoutMillis / 2);
    return 'forced';
  }
  const third = timeoutMillis / 3;
  if (await endOrderly(session, third)) return 'ended';
  await terminate(session, third);
  driver.cut(connection);
  return 'forced';
}

async function endOrderly(session: Session, timeoutMillis: number): Promise<boolean> {
  const { driver, connection } = session;
  const deadline = new Deadline(timeoutMillis);
  // Saying goodbye while a query runs would close the socket at once, and the server would go on with the query.
  if (!session.isQuiet) await session.stop(deadline);
  if (!session.isQuiet) return false;
  driver.end(connection);
  await within(deadline.leftMillis, session.whenEnded());
  return session.isEnded;
}

async function terminate(session: Session, timeoutMillis: number): Promise<void> {
  const { driver, connection, backendId } = session;
  const spare = driver.openSpare?.(connection);
  if (!spare || backendId === undefined) return;
  await within(timeoutMillis, spare.terminate(backendId));
  await spare.close(Math.min(timeoutMillis, GOODBYE_MILLIS));
}
