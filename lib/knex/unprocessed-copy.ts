// A copy of an instance without what the user makes of names and rows, as knex's own migrator uses it.
import type { Knex } from 'knex';

export function unprocessedCopy(knex: Knex): Knex {
  const copy = knex.withUserParams({ ...knex.userParams }) as Knex & { disableProcessing(): void };
  copy.disableProcessing();
  return copy;
}
