// Chooses how a database's tables are emptied by what knex calls its driver. Apart from the drivers: only tests empty tables, and an app
// that does not loads nothing of it.
import { mysqlTableEmptier } from './mysql-empty-tables';
import { pgTableEmptier } from './pg-empty-tables';
import { sqliteTableEmptier } from './sqlite-empty-tables';
import type { TableEmptier } from './table-emptier';

/** Undefined where this package does not know how. */
export function tableEmptierOf({ driverName }: { readonly driverName: string }): TableEmptier | undefined {
  switch (driverName) {
    case 'pg':
      return pgTableEmptier;
    case 'mysql':
    case 'mysql2':
      return mysqlTableEmptier;
    case 'better-sqlite3':
    case 'sqlite3':
      return sqliteTableEmptier;
    default:
      return undefined;
  }
}
