// The gate before the queries of a transaction's client.
import { errorMonitor } from 'node:events';
import type { Duplex } from 'node:stream';
import { nextTick } from '../words/foreign';

/** Decides which queries may go through a transaction's client. */
export interface Guard {
  /** The error that a query asked now gets, as it is, without knex's prefix; undefined: none. */
  refuse(): { readonly error: unknown } | undefined;
  /** The transaction is over: its connection may be another borrower's. */
  isCompleted(): boolean;
  /** The transaction's connection is taken, by a query or by hand. */
  taken(): void;
  /** It is given back. */
  givenBack(): void;
  /** Resolves when a query may be sent, with what says that it is answered. Undefined: at once. */
  takeTurn(): Promise<() => void> | undefined;
}

type Query = (connection: object, statement: unknown) => Promise<unknown>;
type Stream = (connection: object, statement: unknown, target: Duplex, options: unknown) => Promise<unknown>;

/** What a transaction's client is asked for. */
interface GuardedClient {
  query: Query;
  stream: Stream;
  acquireConnection(): Promise<object>;
  releaseConnection(connection: object): Promise<void>;
}

const GUARD = Symbol('knex-reset.guard');

interface Kept {
  [GUARD]?: Guard;
}

/** The guard of a client, or of the client that it was derived from. */
export function guardOf(client: object): Guard | undefined {
  return (client as Kept)[GUARD];
}

/** Says whose gate the client's queries go through. */
export function setGuard(client: object, guard: Guard): void {
  (client as Kept)[GUARD] = guard;
}

/** Puts a gate before the queries of a transaction's client that knex has made. */
export function guardClient(client: GuardedClient, guard: Guard): void {
  setGuard(client, guard);
  const query = client.query.bind(client);
  const stream = client.stream.bind(client);
  const acquireConnection = client.acquireConnection.bind(client);
  const releaseConnection = client.releaseConnection.bind(client);
  Object.assign(client, {
    query: (connection: object, statement: unknown) => guardedQuery(guard, query, connection, statement),
    stream: (...args: Parameters<Stream>) => guardedStream(guard, stream, query, args),
    acquireConnection: () => {
      guard.taken();
      const taken = acquireConnection();
      return isBarred(guard) ? taken.then((raw) => fenced(raw, guard)) : taken;
    },
    releaseConnection: (connection: object) => {
      guard.givenBack();
      return releaseConnection(connection);
    },
  });
}

export function guardedQuery(guard: Guard, query: Query, given: object, statement: unknown): Promise<unknown> {
  const connection = unfenced(given);
  const refusal = guard.refuse();
  if (refusal) return refused(refusal.error);
  const turn = guard.takeTurn();
  return turn ? inTurn(turn, guard, () => query(connection, statement)) : query(connection, statement);
}

export function guardedStream(guard: Guard, stream: Stream, query: Query, args: Parameters<Stream>): Promise<unknown> {
  const [given, statement, target, options] = args;
  const connection = unfenced(given);
  const refusal = guard.refuse();
  if (refusal) {
    target.emit('error', refusal.error);
    return refused(refusal.error);
  }
  const turn = guard.takeTurn();
  if (!turn) return tellingReader(target, () => stream(connection, statement, target, options));
  return streamWhole(target, () => inTurn(turn, guard, () => query(connection, statement)));
}

/** Knex refuses a stream of a completed transaction without a word to its reader, which would wait for ever. */
async function tellingReader(reader: Duplex, stream: () => Promise<unknown>): Promise<unknown> {
  let isTold = false;
  reader.once(errorMonitor, () => {
    isTold = true;
  });
  try {
    return await stream();
  } catch (error) {
    // Knex 3.1 rejects with null once the server is done: rows may still be on their way to the reader.
    if (error && !isTold && !reader.destroyed) reader.emit('error', error);
    throw error;
  }
}

function refused(reason: unknown): Promise<never> {
  return Promise.reject(reason as Error);
}

async function inTurn<T>(turn: Promise<() => void>, guard: Guard, work: () => Promise<T>): Promise<T> {
  const end = await turn;
  try {
    const refusal = guard.refuse();
    if (refusal) throw refusal.error;
    return await work();
  } finally {
    end();
  }
}

/** A stream whose rows are all read before the first is given out: its reader may use the connection in between. */
export async function streamWhole(target: Duplex, query: () => Promise<unknown>): Promise<void> {
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

// What code gets that takes the connection by hand when the transaction is over: the pool may have lent the connection to others. Or when
// a statement has ended it: what is sent then would be stored for itself.

/** Whether what is sent from now on by who takes the connection would not belong to the transaction. */
export function isBarred(guard: Guard): boolean {
  return guard.isCompleted() || guard.refuse() !== undefined;
}

const RAW = Symbol('knex-reset.raw');

/** Looks like the connection, and does nothing: its methods fail, by their callback where they are given one. */
export function fenced(raw: object, guard: Guard): object {
  const refuse = (...given: unknown[]) => refuseCall(guard.refuse(), given);
  return new Proxy(raw, {
    get(target, key) {
      if (key === RAW) return target;
      const value = (target as Record<string | symbol, unknown>)[key];
      return typeof value === 'function' ? refuse : value;
    },
  });
}

function refuseCall(refusal: { readonly error: unknown } | undefined, given: unknown[]): void {
  const over = 'Transaction query already complete: its connection may be used by others';
  const error = refusal ? refusal.error : new Error(over);
  const done = given.at(-1);
  if (typeof done !== 'function') throw error;
  nextTick(() => (done as (error: unknown) => void)(error));
}

/** The connection itself, for knex, which refuses a query of a transaction that is over by itself. */
export function unfenced(connection: object): object {
  return (connection as { [RAW]?: object })[RAW] ?? connection;
}
