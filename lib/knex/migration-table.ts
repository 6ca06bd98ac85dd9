// The table in which knex keeps the migrations that have run, and its lock.
import type { Knex } from 'knex';

/** As the config of the instance says. */
export function migrationTableOf(knex: Knex): { name: string; schema: string | undefined } {
  const { config } = knex.client as { config: Knex.Config };
  const { tableName, schemaName } = config.migrations ?? {};
  return { name: tableName ?? 'knex_migrations', schema: schemaName ?? undefined };
}

/** The table with the row that a migration runner locks. */
export function lockTableOf(name: string): string {
  return `${name}_lock`;
}
