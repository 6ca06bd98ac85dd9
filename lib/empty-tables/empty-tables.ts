// Deletes what tests have stored: finds the tables that hold rows, empties them, and says what is in the way of that.
import type { Knex } from 'knex';
import { means } from '../drivers/error-codes';
import type { Ask, EmptyRequest, LockHolder, TableEmptier } from '../drivers/table-emptier';
import { tableEmptierOf } from '../drivers/table-emptiers';
import { lockTableOf, migrationTableOf, unprocessedCopy } from '../knex/migrator';
import { acquireTimeoutMillisOf } from '../knex/client-facts';
import { shown } from '../words/describe';
import { read } from '../words/foreign';
import { lookAt } from '../knex/given';
import { checkOptions, names, refuse } from '../words/options';
import type { Resettable } from '../words/types';

/**
 * Options of `emptyTables()`.
 * @see docs/tests.md#empty-tables
 */
export interface EmptyTablesOptions {
  /**
   * Tables that stay as they are, with or without their schema. Each must exist. knex's own tables stay anyway.
   * @default none
   */
  except?: string[] | undefined;
  /**
   * The schemas of the tables; on MySQL: the databases.
   * @default the schemas of the search path; on MySQL the database of the connection
   */
  schemas?: string[] | undefined;
}

const WHERE = 'emptyTables';

/** What is known from the last call, for each pool and request. A new pool may lead to another database. */
const memories = new WeakMap<object, Map<string, { layout?: unknown }>>();

export function checkEmptyOptions(where: string, options: unknown): EmptyTablesOptions {
  return checkOptions<EmptyTablesOptions>(where, options, { except: names, schemas: names });
}

/** @param isInside whether the queries of `db` are in a transaction at this moment */
export async function emptyTablesOf(db: Knex, options: unknown, isInside: boolean): Promise<string[]> {
  const client = clientOf(db);
  const { except = [], schemas } = checkEmptyOptions(WHERE, options);
  if (schemas?.length === 0) refuse(`${WHERE}: schemas`, schemas, 'the name of at least one schema');
  const emptier = emptierOf(WHERE, client);
  if (isInside && emptier.commits) refuseInside(client);
  const lockMillis = lockMillisOf(db);
  const request: EmptyRequest = {
    except,
    schemas,
    migrations: migrationTables(db),
    lockMillis,
    isLockTimeout,
    isInside,
  };
  const layouts = valueOf(memories, client.pool ?? client, () => new Map<string, { layout?: unknown }>());
  const memory = valueOf(layouts, JSON.stringify([except, schemas, request.migrations]), () => ({}));
  return withAsk(db, emptier, async (ask) => {
    try {
      return await emptier.empty(ask, request, memory);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      throw lockError(db, { lockMillis, holders: await emptier.holders(ask, request).catch(() => []), cause: error });
    }
  });
}

/** Knex's own timeout has no code, but says how long it was. */
function isLockTimeout(error: unknown): boolean {
  return means(error, 'lockTimeout') || read(error, 'timeout') !== undefined;
}

/** @throws TypeError for a database that this package cannot empty */
export function checkEmptying(where: string, db: Knex): void {
  emptierOf(where, db.client as Knex.Client);
}

function emptierOf(where: string, client: Knex.Client): TableEmptier {
  const emptier = tableEmptierOf(client);
  if (emptier) return emptier;
  throw new TypeError(
    `${where}: tables are emptied on PostgreSQL, MySQL, MariaDB and SQLite, not with ${client.driverName}`,
  );
}

function refuseInside({ driverName }: Knex.Client): never {
  throw new Error(
    `${WHERE}: with ${driverName} it commits, and so would store what is in the sandbox or block around it: ` +
      'call it before, or by db.outside()',
  );
}

/** How long `emptyTables()` may wait for a lock. */
export function lockMillisOf(db: Knex): number {
  // To PostgreSQL 0 means no limit, and more than a timer can wait is refused.
  return Math.min(Math.max(1, acquireTimeoutMillisOf(db.client as Knex.Client)), 2 ** 31 - 1);
}

function clientOf(db: unknown): Knex.Client {
  const { client, isTransaction } = lookAt(db);
  if (!client) refuse(WHERE, db, 'a Knex instance');
  if (isTransaction) throw new TypeError(`${WHERE}: expected a Knex instance, but was given a transaction`);
  return (db as Knex).client as Knex.Client;
}

function migrationTables(db: Knex): EmptyRequest['migrations'] {
  const { name, schema } = migrationTableOf(db);
  return [name, lockTableOf(name)].map((each) => ({ name: each, schema }));
}

/** The value of the key, which is made if there is none. */
function valueOf<K, V>(map: { get(key: K): V | undefined; set(key: K, value: V): unknown }, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

async function withAsk<T>(db: Knex, emptier: TableEmptier, work: (ask: Ask) => Promise<T>): Promise<T> {
  const client = db.client as Knex.Client;
  // The rows as the driver gives them, without the user's postProcessResponse.
  const sender = client.config.postProcessResponse ? unprocessedCopy(db) : db;
  const query: (...asked: Parameters<Ask>) => Knex.Raw = (sql, { name, timeoutMillis } = {}) => {
    const raw = sender.raw(sql).options({ ...emptier.plainRows, ...(name !== undefined && { name }) });
    return timeoutMillis === undefined ? raw : raw.timeout(timeoutMillis, { cancel: true });
  };
  if (!emptier.needsOneConnection) return work(async (sql, how) => query(sql, how));
  const connection = await client.acquireConnection();
  try {
    return await work(async (sql) => query(sql).connection(connection));
  } finally {
    await client.releaseConnection(connection);
  }
}

interface LockFailure {
  lockMillis: number;
  holders: LockHolder[];
  cause: unknown;
}

function lockError(db: Knex, { lockMillis, holders, cause }: LockFailure): Error {
  // A resettable instance knows where its own transactions were opened.
  const { connectionState } = db as Partial<Resettable>;
  const own = connectionState?.().transactions ?? [];
  const lines = holders.map(({ backendId, text }) => {
    const transaction = own.find((each) => each.backendId !== undefined && each.backendId === backendId);
    return `\n  - ${text}${transaction ? `, for transaction ${shown(transaction.label ?? transaction.id)}, opened\n${transaction.stack}` : ''}`;
  });
  const by =
    lines.length > 0 ? ` by${lines.join('')}` : '; its holder has released it by now, or the database does not tell';
  return new Error(`${WHERE}: a table was locked for longer than ${lockMillis} ms (acquireConnectionTimeout)${by}`, {
    cause,
  });
}
