// Finds what is open or running when a test has ended. A connection on its way back to the pool does not count.
import type { OpenEntry } from '../pool/open-entry';
import { type QueryOrigin, userFrames } from '../words/call-site';
import type { LeakReport } from '../words/types';
import { Deadline, nextTurn } from '../words/waiting';
import type { InstanceUnderTest, OpenThings } from './isolation';

/** A connection, as far as it is looked at. */
interface Used {
  readonly lent: boolean;
  readonly user: object | undefined;
  readonly running: number;
  readonly lastSql: string | undefined;
  readonly lease: { readonly askedAt: QueryOrigin | undefined };
}

/** What is looked at, as it is at that moment. */
interface Watched {
  readonly open: () => Iterable<OpenEntry>;
  readonly connections: () => Iterable<Used>;
  readonly waiting: () => number;
  readonly allBegun?: () => Promise<unknown> | undefined;
}

/** All of an instance. */
export function watched({ open, pool, recording }: Pick<InstanceUnderTest, 'open' | 'pool' | 'recording'>): Watched {
  return {
    open: () => open,
    connections: () => pool.register.connections,
    waiting: () => pool.waiting,
    allBegun: () => recording.allBegun,
  };
}

/** How long a connection may take to come back, or to come for a query that waits. */
export const SETTLE_MILLIS = 200;

export function isEmpty({ transactions, queries }: LeakReport): boolean {
  return transactions.length === 0 && queries.length === 0;
}

export function openIn({ open, connections }: Pick<Watched, 'open' | 'connections'>): OpenThings {
  const held = [...connections()].filter(({ lent, running }) => lent && running === 0);
  return new Set([...[...open()].map((entry) => entry.describe().id), ...held.map(({ lease }) => lease)]);
}

/** @param earlier what was open before the test began: that belongs to the hooks of the suite */
export async function lookForLeaks(
  { open, connections, waiting, allBegun }: Watched,
  earlier: OpenThings,
): Promise<LeakReport> {
  await allBegun?.();
  const deadline = new Deadline(SETTLE_MILLIS);
  for (let turn = 0; ; turn++) {
    const described = [...open()].filter((entry) => !entry.holdsNothing).map((entry) => entry.describe());
    const transactions = described.filter(({ id }) => !earlier.has(id));
    const held = [...connections()].filter(
      ({ lent, user, lease, running }) => lent && user === undefined && !(earlier.has(lease) && running === 0),
    );
    const queries = held.filter((connection) => connection.running > 0).map(describeQuery);
    if (transactions.length > 0 || queries.length > 0) return { transactions, queries };
    // What was asked last asks for its connection a few steps later. A failed statement is answered before its connection is ready;
    // a query that waits has a connection soon.
    if (turn > 0 && held.length === 0 && waiting() === 0) return { transactions, queries };
    if (deadline.leftMillis === 0)
      return { transactions, queries: [...held.map(describeQuery), ...describeWaiting(waiting())] };
    await nextTurn();
  }
}

function describeQuery({ lastSql = '', lease }: Used): LeakReport['queries'][number] {
  return { sql: lastSql, stack: userFrames(lease.askedAt) };
}

function describeWaiting(number: number): LeakReport['queries'] {
  return number > 0 ? [{ sql: `(${number} waiting for a connection)`, stack: '' }] : [];
}
