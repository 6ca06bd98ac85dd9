// Chooses how tables are emptied, by knex's name of the driver. Not in drivers/index.ts, so that only the test kit loads it.
import { mysqlTableEmptier } from './mysql/empty-tables';
import { pgTableEmptier } from './pg/empty-tables';
import { sqliteTableEmptier } from './sqlite/empty-tables';
import type { TableEmptier } from './table-emptier';

/** By knex's name of the driver. */
const EMPTIERS: ReadonlyMap<string, TableEmptier> = new Map([
  ['pg', pgTableEmptier],
  ['mysql', mysqlTableEmptier],
  ['mysql2', mysqlTableEmptier],
  ['better-sqlite3', sqliteTableEmptier],
  ['sqlite3', sqliteTableEmptier],
]);

/** Undefined where this package does not know how. */
export function tableEmptierOf({ driverName }: { readonly driverName: string }): TableEmptier | undefined {
  return EMPTIERS.get(driverName);
}
