// Chooses the driver by what knex calls it.
import { betterSqliteDriver } from './better-sqlite';
import type { Driver } from './driver';
import { guarded } from './guarded';
import { mysqlDriver } from './mysql';
import { otherDriver } from './other';
import { pgDriver } from './pg';
import { pgRelative } from './pg-relative';
import { sqliteDriver } from './sqlite';

interface Client {
  driverName: string;
  driver: unknown;
  destroyRawConnection(connection: object): Promise<unknown>;
}

export function driverOf(client: Client): Driver<object> {
  return guarded(rawDriverOf(client));
}

function rawDriverOf(client: Client): Driver<object> {
  switch (client.driverName) {
    case 'pg':
      return pgDriver as unknown as Driver<object>;
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
