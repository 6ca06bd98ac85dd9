// An ordinary migration: knex runs it in a transaction.
import type { Knex } from 'knex';
import { atomic } from 'knex-reset';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('accounts', (table) => {
    table.increments();
    table.text('email').notNullable();
  });
  await knex('accounts').insert(['Ann@x.org', 'bob@x.org', 'BOB@x.org'].map((email) => ({ email })));

  // A step that may fail: a savepoint, so that its failure does not take the migration with it.
  await atomic(knex, (trx) => trx.raw('create extension citext'), { label: 'citext' }).catch((error: Error) => {
    console.log(`without citext: ${error.message}`);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('accounts');
}
