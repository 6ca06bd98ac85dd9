// Finds what is open or running when a test has ended. A connection on its way back to the pool does not count.
import type { OpenEntry } from '../pool/open-entry';
import { type QueryOrigin, userFrames } from '../words/call-site';
import type { LeakReport } from '../words/types';
import { Deadline, nextTurn } from '../words/waiting';

/** A connection, as far as it is looked at. */
interface Used {
  readonly lent: boolean;
  readonly user: object | undefined;
  readonly running: number;
  readonly lastSql: string | undefined;
  readonly lease: { readonly askedAt: QueryOrigin | undefined };
}

/** What is looked at. */
interface Watched {
  readonly open: Iterable<OpenEntry>;
  readonly pool: { readonly register: { readonly connections: Iterable<Used> }; readonly waiting: number };
}

/** How long a connection may take to come back, or to come for a query that waits. */
export const SETTLE_MILLIS = 200;

export function isEmpty({ transactions, queries }: LeakReport): boolean {
  return transactions.length === 0 && queries.length === 0;
}

/** @param earlier the ids of transactions that were open before the test began: they belong to the hooks of the suite */
export async function lookForLeaks(instance: Watched, earlier: readonly string[]): Promise<LeakReport> {
  const deadline = new Deadline(SETTLE_MILLIS);
  for (let turn = 0; ; turn++) {
    const open = [...instance.open].filter((entry) => !entry.holdsNothing).map((entry) => entry.describe());
    const transactions = open.filter(({ id }) => !earlier.includes(id));
    const held = [...instance.pool.register.connections].filter(
      (connection) => connection.lent && connection.user === undefined,
    );
    const queries = held.filter((connection) => connection.running > 0).map(describeQuery);
    if (transactions.length > 0 || queries.length > 0) return { transactions, queries };
    // What was asked last asks for its connection a few steps later. A failed statement is answered before its connection is ready;
    // a query that waits has a connection soon.
    if (turn > 0 && held.length === 0 && instance.pool.waiting === 0) return { transactions, queries };
    if (deadline.leftMillis === 0) return { transactions, queries: [...held.map(describeQuery), ...waiting(instance)] };
    await nextTurn();
  }
}

function describeQuery({ lastSql = '', lease }: Used): LeakReport['queries'][number] {
  return { sql: lastSql, stack: userFrames(lease.askedAt) };
}

function waiting({ pool }: Watched): LeakReport['queries'] {
  return pool.waiting > 0 ? [{ sql: `(${pool.waiting} waiting for a connection)`, stack: '' }] : [];
}
