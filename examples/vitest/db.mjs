// Each worker of the test run has a database of its own: a clone of a template that the first of them makes.
import knex from 'knex';
import { resettable } from 'knex-reset';
import { workerDatabase } from 'knex-reset/testing';

async function createTables(db) {
  await db.schema.createTable('orders', (table) => {
    table.increments('id');
    table.string('item').notNullable().unique();
  });
  await db.schema.createTable('jobs', (table) => {
    table.increments('id');
    table.integer('order_id').notNullable().references('orders.id');
  });
}

const server = { client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0, max: 10 } };
const { config } = await workerDatabase(server, { key: 'orders and jobs', prepare: createTables });

export const db = resettable(knex(config));
