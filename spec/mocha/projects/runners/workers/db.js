// A database of its own for each worker, and a note of each that is made.
const fs = require('node:fs');
const path = require('node:path');
const knex = require('knex');
const { resettable } = require('knex-reset');
const { emptyTables, workerDatabase } = require('knex-reset/testing');

const note = (file, text) => fs.appendFileSync(path.join(process.cwd(), file), `${text}\n`);

let opened;
exports.open = () => {
  opened ??= workerDatabase(
    { client: 'pg', connection: process.env.APP_DATABASE_URL, log: { warn() {} } },
    {
      key: 'runners',
      prepare: async (db) => {
        note('prepared.log', 'once');
        await db.schema.createTable('orders', (table) => table.integer('id').primary());
      },
    },
  ).then(({ config, name }) => {
    note('clones.log', name);
    return resettable(knex(config));
  });
  return opened;
};

/** Would fail for another worker that stores the same in the same database meanwhile. */
exports.takeAnOrder = async () => {
  const db = await exports.open();
  await emptyTables(db);
  await db('orders').insert({ id: 1 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const ids = await db('orders').pluck('id');
  await db.destroy();
  db.initialize();
  if (ids.length !== 1) throw new Error(`other workers' rows: ${ids}`);
};
