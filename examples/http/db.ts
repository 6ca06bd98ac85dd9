// The one instance of the service, and its tables.
import knex from 'knex';
import { resettable } from 'knex-reset';

/** How many requests have a transaction at a time. Each needs a second connection for what it does outside of it. */
export const SLOTS = 5;

/** @param limitMillis no transaction of the service takes longer, whoever forgets it, and whatever it waits for */
export function connect(url: string, limitMillis = 1000) {
  const db = knex({ client: 'pg', connection: url, pool: { min: 0, max: 2 * SLOTS } });
  return resettable(db, { ambient: true, transactionTimeoutMillis: limitMillis });
}

export type Db = ReturnType<typeof connect>;

export async function createTables(db: Db): Promise<void> {
  await db.schema.createTable('stock', (table) => {
    table.string('item').primary();
    table.integer('pieces').notNullable();
    table.check('pieces >= 0', {}, 'not_sold_out');
  });
  await db.schema.createTable('orders', (table) => {
    table.integer('id').primary();
    table.string('item').notNullable().references('stock.item');
  });
  await db.schema.createTable('outbox', (table) => {
    table.increments('id');
    table.integer('order_id').notNullable();
    table.timestamp('sent_at');
  });
  await db.schema.createTable('audit', (table) => {
    table.increments('id');
    table.integer('order_id').notNullable();
    table.string('what').notNullable();
  });
  await db('stock').insert([
    { item: 'book', pieces: 1_000_000 },
    { item: 'pen', pieces: 1 },
  ]);
}
