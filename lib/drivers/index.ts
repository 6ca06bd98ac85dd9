// Chooses the driver by what knex calls it.
import type { ClientFacts } from '../knex/client-facts';
import { betterSqliteDriver } from './sqlite/better-sqlite3';
import type { Driver } from './driver';
import { guarded } from './guarded';
import { mysqlDriver } from './mysql/mysql';
import { otherDriver } from './other';
import { pgDriver } from './pg/pg';
import type { PgConnection } from './pg/client';
import { pgRelative } from './pg/relative';
import { rememberFactory } from './pg/way';
import { sqliteDriver } from './sqlite/sqlite3';

/** Each driver that this package knows, by knex's name of it. */
const DRIVERS: Readonly<Record<string, (client: ClientFacts) => unknown>> = {
  pg: pgDriverOf,
  cockroachdb: (client) => speaksPg(client) && pgRelative('cockroachdb'),
  'pg-redshift': (client) => speaksPg(client) && pgRelative('pg-redshift'),
  mysql: () => mysqlDriver('mysql'),
  mysql2: () => mysqlDriver('mysql2'),
  'better-sqlite3': () => betterSqliteDriver,
  sqlite3: () => sqliteDriver,
};

export function driverOf(client: ClientFacts): Driver<object> {
  const { driverName: name } = client;
  const make = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  const known = make?.(client) as Driver<object> | false | undefined;
  const other = guarded(otherDriver(client));
  if (!known) return other;
  return guarded({ ...known, insteadFor: (connection) => (known.isOwn?.(connection) === false ? other : undefined) });
}

/** A dialect that extends knex's for PostgreSQL may have its name, and other connections than those of `pg`: PGlite's, for one. */
const speaksPg = ({ hasClientClass }: ClientFacts) => hasClientClass;

/** A connection that this package did not see being opened was opened by the client's settings. */
function pgDriverOf(client: ClientFacts): Driver<PgConnection> | false {
  if (!speaksPg(client)) return false;
  const tap: Driver<PgConnection>['tap'] = (connection, sink) => {
    rememberFactory(connection, client.streamFactory());
    return pgDriver.tap(connection, sink);
  };
  return { ...pgDriver, tap };
}
