// How one connection ends so that the server lets go of it: asked first, then terminated, its socket cut only at last.
import { bounded } from '../words/foreign';
import { Deadline, within } from '../words/waiting';
import type { Connection } from './connection';

/** How long the second connection may take to say goodbye. */
const GOODBYE_MILLIS = 100;

/**
 * Ends the connection within the time. Each of the three steps has a third of it. Rejects never.
 * @returns `'ended'` when the server closed it in an orderly way, `'forced'` when it was terminated or cut
 */
export async function closeConnection(connection: Connection, timeoutMillis: number): Promise<'ended' | 'forced'> {
  const { driver, raw } = connection;
  if (connection.isEnded || connection.death !== undefined || driver.isGone(raw)) {
    // Gone already. Its socket may still be half open, and would keep the process alive.
    driver.destroySocket(raw);
    if (!connection.mayWorkOn) return 'ended';
    await bounded(timeoutMillis, () => terminate(connection, timeoutMillis / 2));
    return 'forced';
  }
  const third = timeoutMillis / 3;
  if ((await bounded(timeoutMillis, () => endOrderly(connection, third))) === true) return 'ended';
  await bounded(timeoutMillis, () => terminate(connection, third));
  driver.destroySocket(raw);
  return 'forced';
}

async function endOrderly(connection: Connection, timeoutMillis: number): Promise<boolean> {
  const { driver, raw } = connection;
  const deadline = new Deadline(timeoutMillis);
  // Saying goodbye while a query runs would close the socket at once, and the server would go on with the query.
  if (!connection.isQuiet) await connection.stop(deadline);
  if (!connection.isQuiet) return false;
  await within(deadline.leftMillis, Promise.all([driver.closeGracefully(raw), connection.whenEnded()]));
  return connection.isEnded;
}

async function terminate(connection: Connection, timeoutMillis: number): Promise<void> {
  const { driver, raw, backendId } = connection;
  const spare = driver.openSideConnection?.(raw);
  if (!spare || backendId === undefined) return;
  await within(timeoutMillis, spare.terminate(backendId));
  await spare.close(Math.min(timeoutMillis, GOODBYE_MILLIS));
}
