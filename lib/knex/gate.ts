// The gate before the queries of a transaction's client.
import type { Writable } from 'node:stream';
import type { KnexClient } from './insides';

/** Who may query through a transaction's client. */
export interface Gatekeeper {
  /** The error that a query asked now gets, as it is, without knex's prefix. */
  readonly refusal: unknown;
  /** Resolves when a query may be sent, with what says that it is answered. Undefined: at once. */
  takeTurn(): Promise<() => void> | undefined;
}

type Query = (connection: object, statement: unknown) => Promise<unknown>;
type Stream = (connection: object, statement: unknown, target: Writable, options: unknown) => Promise<unknown>;

const KEEPER = Symbol('knex-reset.keeper');

interface Kept {
  [KEEPER]?: Gatekeeper;
}

/** Who decides on the queries of a client, be it by way of a client derived from it. */
export function keeperOf(client: object): Gatekeeper | undefined {
  return (client as Kept)[KEEPER];
}

/** Says whose gate the client's queries go through. */
export function keep(client: object, keeper: Gatekeeper): void {
  (client as Kept)[KEEPER] = keeper;
}

/** Puts a gate before the queries of a transaction's client that knex has made. */
export function gate(client: KnexClient, keeper: Gatekeeper): void {
  keep(client, keeper);
  const query = client.query.bind(client) as Query;
  const stream = client.stream.bind(client) as Stream;
  Object.assign(client, {
    query: (connection: object, statement: unknown) => gatedQuery(keeper, query, connection, statement),
    stream: (...args: Parameters<Stream>) => gatedStream(keeper, stream, query, args),
  });
}

export function gatedQuery(keeper: Gatekeeper, query: Query, connection: object, statement: unknown): Promise<unknown> {
  if (keeper.refusal !== undefined) return refused(keeper.refusal);
  const turn = keeper.takeTurn();
  return turn ? inTurn(turn, keeper, () => query(connection, statement)) : query(connection, statement);
}

export function gatedStream(
  keeper: Gatekeeper,
  stream: Stream,
  query: Query,
  args: Parameters<Stream>,
): Promise<unknown> {
  const [connection, statement, target] = args;
  if (keeper.refusal !== undefined) {
    target.emit('error', keeper.refusal);
    return refused(keeper.refusal);
  }
  const turn = keeper.takeTurn();
  if (!turn) return stream(...args);
  return streamWhole(target, () => inTurn(turn, keeper, () => query(connection, statement)));
}

function refused(reason: unknown): Promise<never> {
  return Promise.reject(reason as Error);
}

async function inTurn<T>(turn: Promise<() => void>, keeper: Gatekeeper, work: () => Promise<T>): Promise<T> {
  const end = await turn;
  try {
    if (keeper.refusal !== undefined) throw keeper.refusal;
    return await work();
  } finally {
    end();
  }
}

/** A stream whose rows are all read before the first is given out: its reader may use the connection in between. */
export async function streamWhole(target: Writable, query: () => Promise<unknown>): Promise<void> {
  try {
    const { response } = (await query()) as { response: unknown };
    for (const row of rowsOf(response)) target.write(row);
    target.end();
  } catch (error) {
    target.emit('error', error);
    throw error;
  }
}

/** pg gives a result with rows, mysql a pair of rows and fields, SQLite the rows. */
function rowsOf(response: unknown): unknown[] {
  const { rows } = response as { rows?: unknown[] };
  if (rows) return rows;
  const list = response as unknown[];
  return Array.isArray(list[0]) ? list[0] : list;
}
