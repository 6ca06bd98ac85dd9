// Knex's migrator: the tables that it keeps, and how it asks for them.
import type { Knex } from 'knex';
import { unknownKnex } from './shape';

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

/** A copy of an instance without what the user makes of names and rows. */
export function unprocessedCopy(knex: Knex): Knex {
  const copy = knex.withUserParams({ ...knex.userParams }) as Knex & { disableProcessing?(): void };
  if (!copy.disableProcessing) throw unknownKnex(copy.client as object, ['disableProcessing of its copies']);
  copy.disableProcessing();
  return copy;
}
