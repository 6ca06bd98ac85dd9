// The entry point `knex-reset/testing`: what a test suite needs, whatever its runner.
import type { Knex } from 'knex';
import { emptyTablesOf, type EmptyTablesOptions } from './empty-tables/empty-tables';
import { lookAt } from './knex/given';
import { instanceOf, refuseOtherCopy } from './registry';

export type { EmptyTablesOptions } from './empty-tables/empty-tables';
export type { WorkerDatabase } from './worker-database/made';
export { workerDatabase, type WorkerDatabaseOptions } from './worker-database/worker-database';
export { resetHooks, type ResetHooks, type ResetHooksOptions } from './mocha';

/**
 * Deletes all rows of the tables that hold some, and restarts their sequences. Foreign keys can be circular. No trigger fires. Views,
 * foreign tables, tables of extensions and knex's migration tables stay. It sends one query to look and one script to delete.
 *
 * @example
 * afterEach(() => emptyTables(db, { except: ['countries'] }));
 *
 * @returns the names of the tables that held rows, with their schema if a query would need it
 * @throws Error in a sandbox or an ambient block on MySQL or MariaDB, where it would commit; for an unknown name in `except` or `schemas`, for a table that stays and has rows that refer to a table that is emptied,
 * and for a table that is locked for longer than `acquireConnectionTimeout`; the message names the holder of the lock
 * @throws TypeError for bad arguments, for an instance that another copy of the package has made resettable, and on other databases than PostgreSQL, MySQL, MariaDB and SQLite
 * @see docs/tests.md#empty-tables
 */
export async function emptyTables(db: Knex, options?: EmptyTablesOptions): Promise<string[]> {
  refuseOtherCopy('emptyTables', lookAt(db).client);
  return emptyTablesOf(db, options, instanceOf(db)?.ambient.current() !== undefined);
}
