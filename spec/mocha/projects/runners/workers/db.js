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

const WAIT_MILLIS = 25_000;

/** Resolves when two workers have taken an order each. */
const whenTwoHave = async () => {
  const giveUpAt = Date.now() + WAIT_MILLIS;
  const workers = () =>
    new Set(fs.readFileSync(path.join(process.cwd(), 'orders.log'), 'utf8').split('\n').filter(Boolean));
  while (workers().size < 2) {
    if (Date.now() > giveUpAt) throw new Error('no other worker has taken an order');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** If two workers had one database, the one that came first would have lost its order, or would see the other's beside it. */
exports.takeAnOrder = async () => {
  const db = await exports.open();
  await emptyTables(db);
  await db('orders').insert({ id: process.pid });
  note('orders.log', process.pid);
  await whenTwoHave();
  const ids = await db('orders').pluck('id');
  await db.destroy();
  db.initialize();
  if (ids.length !== 1 || ids[0] !== process.pid) throw new Error(`not the order of this worker alone: ${ids}`);
};
