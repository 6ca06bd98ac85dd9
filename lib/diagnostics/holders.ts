// Adds to knex's error of a full pool what holds the connections.
import { describe, shown } from '../words/describe';
import { read } from '../words/foreign';
import { transactionIdOf } from '../knex/connection-mark';
import { describeUse, type UsedConnection, type OpenEntry } from '../pool/open-entry';
import { type QueryOrigin, userFrames } from '../words/call-site';
import type { OpenTransaction } from '../words/types';

/** So many holders stand in the message: a pool may have a thousand. */
const LISTED = 20;

interface HeldConnection extends UsedConnection {
  readonly raw: object;
  readonly running: number;
  readonly lease: UsedConnection['lease'] & { readonly askedAt: QueryOrigin | undefined };
}

/** What an instance holds. */
interface Holding {
  readonly pool: {
    readonly register: { readonly connections: Iterable<HeldConnection> };
    readonly openings: { readonly failure: unknown };
  };
  readonly open: Iterable<OpenEntry>;
}

/** Transactions and plain queries that hold a connection, oldest first. */
export function holders({ pool, open }: Holding): OpenTransaction[] {
  const entries = [...open].filter((entry) => !entry.holdsNothing);
  const registered = new Set<HeldConnection>(entries.map((entry) => entry.connection));
  const others = [...pool.register.connections].filter((connection) => connection.lent && !registered.has(connection));
  const all = [
    ...entries.map((entry) => entry.describe()),
    ...others.map((connection) => ({
      ...describeUse(
        connection,
        transactionIdOf(connection.raw) ?? 'query',
        connection.running > 0 ? 'running' : 'idle',
      ),
      stack: userFrames(connection.lease.askedAt),
    })),
  ];
  return all.sort((a, b) => b.ageMillis - a.ageMillis);
}

/** Knex's "pool is probably full", with the list of the holders in its message and in `holders`, or with why none could be opened. */
export function explainFullPool(instance: Holding, error: unknown): unknown {
  if (read(error, 'name') !== 'KnexTimeoutError') return error;
  const list = holders(instance);
  const full = error as Error & { holders?: OpenTransaction[] };
  full.holders = list;
  const { failure } = instance.pool.openings;
  // Tarn's own error has the text of the failure, and no code.
  if (list.length === 0 && failure !== undefined) full.cause = failure;
  const details = list.length > 0 ? `Held by:\n${listed(list)}` : whyNoneIsOpen(failure);
  if (details !== undefined) {
    const { message } = full;
    full.message += `\n${details}`;
    // What most loggers print.
    full.stack = full.stack?.replace(message, () => full.message) ?? full.message;
  }
  return full;
}

/** With `propagateCreateError: false` the pool tries again until the time is over, and nobody hears why it failed. */
function whyNoneIsOpen(failure: unknown): string | undefined {
  if (failure === undefined) return undefined;
  const message = read(failure, 'message');
  // A URL may have a password in it.
  const reason = (typeof message === 'string' && message !== '' ? message : describe(failure)).replace(
    /:\/\/\S*@/g,
    '://…@',
  );
  return `Nothing holds a connection: the last attempt to open one failed: ${shown(reason)}`;
}

function listed(list: OpenTransaction[]): string {
  const lines = list.slice(0, LISTED).map(line);
  const more = list.length - lines.length;
  return (more > 0 ? [...lines, `  and ${more} more`] : lines).join('\n');
}

function line({ label, id, ageMillis, state, lastSql, stack }: OpenTransaction): string {
  const where = stack.split('\n')[0];
  const last = lastSql ? `, last: ${shown(lastSql)}` : '';
  return `  ${shown(label ?? id)}, ${ageMillis} ms, ${state}${last}${where ? `, ${shown(where)}` : ''}`;
}
