// A database for each worker. Knex asks for the connection when the first query comes: no top-level await is needed.
const knex = require('knex');
const { resettable } = require('knex-reset');
const { workerDatabase } = require('knex-reset/testing');

const server = { client: 'pg', connection: process.env.DATABASE_URL };
const worker = workerDatabase(server, {
  key: 'orders',
  prepare: (db) => db.schema.createTable('orders', (table) => table.string('item')), // or db.migrate.latest()
});
const connection = async () => (await worker).config.connection;

exports.db = resettable(knex({ client: 'pg', connection, pool: { min: 0, max: 5 } }));
