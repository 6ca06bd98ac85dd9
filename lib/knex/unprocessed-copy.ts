// A copy of an instance without what the user makes of names and rows, as knex's own migrator uses it.
import type { Knex } from 'knex';
import { unknownKnex } from './unknown-knex';

export function unprocessedCopy(knex: Knex): Knex {
  const copy = knex.withUserParams({ ...knex.userParams }) as Knex & { disableProcessing?(): void };
  if (!copy.disableProcessing) throw unknownKnex(copy.client as object, ['disableProcessing of its copies']);
  copy.disableProcessing();
  return copy;
}
