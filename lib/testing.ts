// The entry point `knex-reset/testing`: what a test suite needs, whatever its runner.
import type { Knex } from 'knex';
import { emptyTablesOf, type EmptyTablesOptions } from './empty-tables/empty-tables';
import { instanceOf } from './registry';

export type { EmptyTablesOptions } from './empty-tables/empty-tables';
export { resetHooks, type ResetHooks, type ResetHooksOptions } from './mocha';

/**
 * Deletes all rows of the tables that hold some, and restarts their sequences. Foreign keys may go in circles; no trigger fires; views,
 * foreign tables, tables of extensions and knex's migration tables stay as they are. It is one query that looks, and one script.
 *
 * @returns the names of the tables that held rows, with their schema where a query would need it
 * @throws Error for a name in `except` or `schemas` that nothing has, for a table that stays and has rows that refer to one that does
 * not, and for a table that is locked for longer than `acquireConnectionTimeout`, with who holds the lock
 */
export async function emptyTables(db: Knex, options?: EmptyTablesOptions): Promise<string[]> {
  return emptyTablesOf(db, options, instanceOf(db)?.ambient.current() !== undefined);
}
