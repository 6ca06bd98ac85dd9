// Tests that leave a query running: nobody handles its rejection, so the runner hears of that, too.
const { setTimeout } = require('node:timers/promises');
const { after, afterEach, beforeEach, test } = require('node:test');
const { resetHooks } = require('knex-reset/testing');
const { db } = require('./db');

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
after(hooks.afterAll);

test('leaves a query', async () => {
  db.raw('select pg_sleep(30)').then(() => {});
  await setTimeout(20);
});
test('leaves a query in a transaction', async () => {
  const trx = await db.transaction();
  trx.raw('select pg_sleep(30)').then(() => {});
  await setTimeout(20);
});
test('is innocent', () => db.raw('select 1'));
