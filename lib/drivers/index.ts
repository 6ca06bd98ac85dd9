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

export function driverOf(client: Client): Driver<object> {
  return guarded(rawDriverOf(client));
}

function rawDriverOf(client: Client): Driver<object> {
  switch (client.driverName) {
    case 'pg':
      return pgDriverOf(client) as unknown as Driver<object>;
    case 'cockroachdb':
    case 'pg-redshift':
      return pgRelative(client.driverName) as unknown as Driver<object>;
    case 'mysql':
    case 'mysql2':
      return mysqlDriver(client.driverName) as unknown as Driver<object>;
    case 'better-sqlite3':
      return betterSqliteDriver as unknown as Driver<object>;
    case 'sqlite3':
      return sqliteDriver as unknown as Driver<object>;
    default:
      return otherDriver(client, client.driverName);
  }
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
