// Brings connections to rest: what runs on one is stopped, and what is open on it is rolled back; or what runs on many is stopped at once.
import type { SideConnection } from '../drivers/side-connection';
import { ROLLBACK } from '../drivers/sql';
import { inBackground } from '../words/foreign';
import { type Deadline, type TimeLimit, within } from '../words/waiting';
import { leaveSide, type Session } from './side-connection';
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

/** Sends cancel requests until nothing runs, or the time is up: a request can arrive before its statement. */
export async function stop(connection: StatementQueue, deadline: Deadline): Promise<void> {
  while (connection.driver.cancel && !connection.isQuiet && deadline.leftMillis > 0) {
    await connection.cancel(deadline);
    await within(Math.min(CANCEL_AGAIN_MILLIS, deadline.leftMillis), connection.whenQuiet());
  }
}

type Cancel = NonNullable<Session['driver']['cancel']>;

/** One on which a statement can be stopped. */
interface Cancellable extends Session {
  /** @param ask sends the request; absent: the driver's own way */
  cancel(limit: TimeLimit, ask?: Cancel): Promise<void>;
}

/** Fewer have their CancelRequests sooner than a side connection is open. */
const MANY = 8;

/**
 * A CancelRequest for each of them would cost the server a process each. It goes on in each connection's own `cancel()`. Resolves when no side
 * connection is left. Undefined: none is opened.
 */
export function cancelTogether(connections: Cancellable[], deadline: Deadline): Promise<unknown> | undefined {
  if (connections.length < MANY) return undefined;
  const groups: Cancellable[][] = [];
  for (const connection of connections) {
    const group = groups.find(([first]) => first && isSameServer(first, connection));
    if (group) group.push(connection);
    else groups.push([connection]);
  }
  const large = groups.filter(({ length }) => length >= MANY);
  return Promise.all(large.map((group) => cancelGroup(group, deadline)));
}

function isSameServer({ driver, raw }: Cancellable, other: Cancellable): boolean {
  return driver === other.driver && (driver.isSameServer?.(raw, other.raw) ?? false);
}

async function cancelGroup(group: Cancellable[], deadline: Deadline): Promise<void> {
  const [{ driver, raw }] = group as [Cancellable];
  // Only there is it worth a connection.
  const side = driver.isPostgres ? driver.openSideConnection?.(raw) : undefined;
  if (!side) return;
  const reached = within(deadline.part(1 / 4), askAll(side, group));
  for (const connection of group) inBackground(connection.cancel(deadline, viaSide(connection, reached)));
  await reached;
  await leaveSide(side);
}

/** Resolves with the ids of the sessions that were told. */
async function askAll(side: SideConnection, group: Cancellable[]): Promise<Set<number>> {
  const sessions = group.flatMap(({ backendId: id, ageMillis }) => (id === undefined ? [] : [{ id, ageMillis }]));
  return new Set(await side.cancel?.(sessions.map((session) => ({ ...session, sparesCommit: false }))));
}

/** Those that the side connection did not reach, as behind a pooler, get a request of their own. */
function viaSide(connection: Cancellable, reached: Promise<Set<number> | undefined>): Cancel {
  return async (raw, limit) => {
    const ids = await reached;
    if (ids?.has(connection.backendId ?? Number.NaN)) return true;
    return (await connection.driver.cancel?.(raw, limit)) ?? false;
  };
}
