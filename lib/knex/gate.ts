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

/** Puts a gate before the queries of a transaction's client. */
export function gate(client: KnexClient, keeper: Gatekeeper): void {
  const { query, stream } = client;
  client.query = (connection, statement) => {
    if (keeper.refusal !== undefined) return refused(keeper.refusal);
    const turn = keeper.takeTurn();
    return turn ? inTurn(turn, keeper, () => query(connection, statement)) : query(connection, statement);
  };
  client.stream = (connection, statement, target, options) => {
    if (keeper.refusal !== undefined) {
      target.emit('error', keeper.refusal);
      return refused(keeper.refusal);
    }
    const turn = keeper.takeTurn();
    if (!turn) return stream(connection, statement, target, options);
    return streamWhole(target, () => inTurn(turn, keeper, () => query(connection, statement)));
  };
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
