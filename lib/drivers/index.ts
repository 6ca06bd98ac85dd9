// Chooses the driver by what knex calls it.
import { betterSqliteDriver } from './better-sqlite3';
import type { Driver } from './driver';
import { guarded } from './guarded';
import { mysqlDriver } from './mysql';
import { otherDriver } from './other';
import { pgDriver } from './pg';
import type { PgConnection } from './pg-client';
import { pgRelative } from './pg-relative';
import { rememberFactory } from './pg-way';
import { sqliteDriver } from './sqlite3';

interface Client {
  driverName: string;
  driver: unknown;
  destroyRawConnection(connection: object): Promise<unknown>;
  readonly connectionSettings?: { stream?: unknown } | undefined;
  readonly config?: { connectionPool?: unknown };
}

/** Each driver that this package knows, by knex's name of it. */
const DRIVERS: Readonly<Record<string, (client: Client) => unknown>> = {
  pg: pgDriverOf,
  cockroachdb: () => pgRelative('cockroachdb'),
  'pg-redshift': () => pgRelative('pg-redshift'),
  mysql: () => mysqlDriver('mysql'),
  mysql2: () => mysqlDriver('mysql2'),
  'better-sqlite3': () => betterSqliteDriver,
  sqlite3: () => sqliteDriver,
};

export function driverOf(client: Client): Driver<object> {
  const { driverName: name } = client;
  const make = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  return guarded((make?.(client) as Driver<object> | undefined) ?? otherDriver(client, name));
}

/** A connection that was opened out of sight went the way that the settings say. */
function pgDriverOf(client: Client): Driver<PgConnection> {
  const tap: Driver<PgConnection>['tap'] = (connection, sink) => {
    const pool = client.config?.connectionPool as { options?: { stream?: unknown } } | undefined;
    rememberFactory(connection, client.connectionSettings?.stream ?? pool?.options?.stream);
    return pgDriver.tap(connection, sink);
  };
  return { ...pgDriver, tap };
}
