// Brings doubtful connections to rest: stops what runs on them. One alone is rolled back, too, or this is reported as failed.
import type { SideConnection } from '../drivers/side-connection';
import { ROLLBACK } from '../drivers/sql';
import { bounded, inBackground } from '../words/foreign';
import { type Deadline, within } from '../words/waiting';
import type { Connection } from './connection';

type Driver = Connection['driver'];
type Cancel = NonNullable<Driver['cancel']>;

/** Longest wait for what its borrower left running, before it is cancelled: an answer that is under way needs no cancel. */
const LAST_ANSWER_MILLIS = 50;

export async function quiesce(connection: Connection, deadline: Deadline): Promise<void> {
  const { driver, raw } = connection;
  await within(Math.min(LAST_ANSWER_MILLIS, deadline.leftMillis), connection.whenQuiet());
  await stop(connection, deadline);
  const status = driver.status(raw);
  if (status === 'open' || status === 'failed') await connection.send(ROLLBACK);
}

/** Fewer have their CancelRequests sooner than a side connection is open. */
const MANY = 8;
const GOODBYE_MILLIS = 100;

/**
 * Stops what runs on many connections at once, over one side connection for each server: a CancelRequest for each of them would cost the server
 * a process each. It goes on in each connection's own `cancel()`. Resolves when no side connection is left.
 */
export async function cancelTogether(connections: Connection[], deadline: Deadline): Promise<void> {
  const groups: Connection[][] = [];
  for (const connection of connections) {
    const group = groups.find(([first]) => first && isSameServer(first, connection));
    if (group) group.push(connection);
    else groups.push([connection]);
  }
  const large = groups.filter(({ length }) => length >= MANY);
  await Promise.all(large.map((group) => cancelGroup(group, deadline)));
}

function isSameServer({ driver, raw }: Connection, other: Connection): boolean {
  return driver === other.driver && (driver.isSameServer?.(raw, other.raw) ?? false);
}

async function cancelGroup(group: Connection[], deadline: Deadline): Promise<void> {
  const [{ driver, raw }] = group as [Connection];
  // Only there is it worth a connection.
  const side = driver.isPostgres ? driver.openSideConnection?.(raw) : undefined;
  if (!side) return;
  const reached = within(deadline.part(1 / 4), askAll(side, group));
  for (const connection of group) inBackground(connection.cancel(deadline, viaSide(connection, reached)));
  await reached;
  await bounded(2 * GOODBYE_MILLIS, () => side.close(GOODBYE_MILLIS));
}

/** Resolves with the ids of the sessions that were told. */
async function askAll(side: SideConnection, group: Connection[]): Promise<Set<number>> {
  const sessions = group.flatMap(({ backendId: id, ageMillis }) => (id === undefined ? [] : [{ id, ageMillis }]));
  return new Set(await side.cancel?.(sessions.map((session) => ({ ...session, sparesCommit: false }))));
}

/** Those that the side connection did not reach, as behind a pooler, get a request of their own. */
function viaSide(connection: Connection, reached: Promise<Set<number> | undefined>): Cancel {
  return async (raw, limit) => {
    const ids = await reached;
    if (ids?.has(connection.backendId ?? Number.NaN)) return true;
    return (await connection.driver.cancel?.(raw, limit)) ?? false;
  };
}

/** How long a CancelRequest may take to have its effect before another is sent. */
const CANCEL_AGAIN_MILLIS = 100;

/** Cancels what runs until nothing does, or the time is up: a request can overtake the statement that it was meant for. */
export async function stop(connection: Connection, deadline: Deadline): Promise<void> {
  while (connection.driver.cancel && !connection.isQuiet && deadline.leftMillis > 0) {
    await connection.cancel(deadline);
    await within(Math.min(CANCEL_AGAIN_MILLIS, deadline.leftMillis), connection.whenQuiet());
  }
}
