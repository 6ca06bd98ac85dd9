// Ends one connection so that the server lets go of it: it is asked to close, then terminated. Its socket is cut only as the last step.
import type { SharedTime } from '../words/shared-work';
import { type Deadline, within } from '../words/waiting';
import type { Connection } from './connection';
import { stop } from './quiesce';
import type { Ending } from './state';
import type { Terminator } from './terminator';

/**
 * Ends the connection. The goodbye has a third of the time of the waiter with the least, and the socket is cut when another third is over:
 * a waiter that has left finds it cut. Meanwhile and afterwards the session is terminated, for as long as one waits. Rejects never.
 * @returns `'ended'` when the server closed it by itself, `'forced'` when it was terminated or its socket destroyed
 */
export async function closeConnection(
  connection: Connection,
  { soonest, latest }: SharedTime,
  terminator: Terminator,
): Promise<Ending> {
  const { driver, raw } = connection;
  if (connection.isEnded || connection.death !== undefined || driver.isGone(raw)) {
    // The server says that it ends a session before it has. Otherwise its socket may still be half open, and would keep the process alive.
    if (connection.health.hasLetGo) await within(soonest.part(1 / 3), connection.whenEnded());
    driver.destroySocket(raw);
    return closeGone(connection, latest, terminator);
  }
  await sayGoodbye(connection, soonest.part(1 / 3));
  if (connection.isEnded) return closeGone(connection, latest, terminator);
  const terminated = terminator.end(connection, latest);
  await within(soonest.part(1 / 2), terminated);
  driver.destroySocket(raw);
  await terminated;
  return 'forced';
}

/** Its socket is closed; the server may know nothing of it. */
async function closeGone(connection: Connection, deadline: Deadline, terminator: Terminator): Promise<Ending> {
  if (connection.health.hasLetGo || !connection.driver.openSideConnection) return 'ended';
  const fate = await terminator.end(connection, deadline);
  return fate === 'gone' ? 'ended' : 'forced';
}

async function sayGoodbye(connection: Connection, deadline: Deadline): Promise<void> {
  const { driver, raw } = connection;
  // Saying goodbye while a query runs would close the socket at once, and the server would go on with the query.
  if (!connection.isQuiet) await stop(connection, deadline);
  // What ended before it proves nothing.
  if (!connection.isQuiet || connection.isEnded || driver.isGone(raw)) return;
  connection.health.saidGoodbye();
  await within(deadline, goneOrRefused(driver.closeGracefully(raw), connection.whenEnded()));
}

/** Resolves when the connection has ended, or where the goodbye could not be said. */
function goneOrRefused(said: Promise<unknown> | void, ended: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    said?.then(undefined, () => resolve());
    ended.then(resolve, resolve);
  });
}
