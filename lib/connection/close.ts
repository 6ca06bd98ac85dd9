// Ends one connection so that the server lets go of it: it is asked to close, then terminated. Its socket is cut only as the last step.
import { bounded } from '../words/foreign';
import { type Deadline, within } from '../words/waiting';
import type { Connection, Ending } from './connection';

/** How long the second connection may take to say goodbye. */
const GOODBYE_MILLIS = 100;

/**
 * Ends the connection within the time. Each of the three steps has a third of it. Rejects never.
 * @returns `'ended'` when the server closed it in an orderly way, `'forced'` when it was terminated or cut
 */
export async function closeConnection(connection: Connection, deadline: Deadline): Promise<Ending> {
  const { driver, raw } = connection;
  if (connection.isEnded || connection.death !== undefined || driver.isGone(raw)) {
    // Gone already. Its socket may still be half open, and would keep the process alive.
    driver.destroySocket(raw);
    if (!connection.mayWorkOn) return 'ended';
    await bounded(deadline, () => terminate(connection, deadline.part(1 / 2)));
    return 'forced';
  }
  if ((await bounded(deadline, () => endOrderly(connection, deadline.part(1 / 3)))) === true) return 'ended';
  await bounded(deadline, () => terminate(connection, deadline.part(1 / 2)));
  driver.destroySocket(raw);
  return 'forced';
}

async function endOrderly(connection: Connection, deadline: Deadline): Promise<boolean> {
  const { driver, raw } = connection;
  // Saying goodbye while a query runs would close the socket at once, and the server would go on with the query.
  if (!connection.isQuiet) await connection.stop(deadline);
  if (!connection.isQuiet) return false;
  await within(deadline, Promise.all([driver.closeGracefully(raw), connection.whenEnded()]));
  return connection.isEnded;
}

async function terminate(connection: Connection, deadline: Deadline): Promise<void> {
  const { driver, raw, backendId } = connection;
  const spare = driver.openSideConnection?.(raw);
  if (!spare || backendId === undefined) return;
  await within(deadline, spare.terminate(backendId));
  await spare.close(Math.min(deadline.leftMillis, GOODBYE_MILLIS));
}
