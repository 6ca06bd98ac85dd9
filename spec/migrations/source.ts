// Migrations written in the spec itself, and what knex's two tables say of them.
import type { Knex } from 'knex';
import type { TestDatabase } from '../support/database';

export interface Migration {
  up(knex: Knex): Promise<unknown>;
  down?(knex: Knex): Promise<unknown>;
  config?: { transaction: boolean };
}

/** A migration source for `db.migrate`, in the order of the keys. */
export function sourceOf(migrations: Record<string, Migration>): { migrationSource: Knex.MigrationSource<string> } {
  return {
    migrationSource: {
      getMigrations: async () => Object.keys(migrations),
      getMigrationName: (name) => name,
      getMigration: async (name) => ({ down: async () => {}, ...migrations[name] }) as Knex.Migration,
    },
  };
}

/** What is in the lock row: 0 is free. */
export async function lockRow(database: TestDatabase, table = 'knex_migrations'): Promise<number[]> {
  const rows = await database.query<{ is_locked: number }>(`select is_locked from ${table}_lock`);
  return rows.map((row) => row.is_locked);
}

/** The migrations that knex believes are done. */
export async function done(database: TestDatabase, table = 'knex_migrations'): Promise<string[]> {
  const rows = await database.query<{ name: string }>(`select name from ${table} order by id`);
  return rows.map((row) => row.name);
}

/** As if no migration had ever been run. */
export async function startOver(database: TestDatabase): Promise<void> {
  await database.query('drop schema public cascade; create schema public');
}
