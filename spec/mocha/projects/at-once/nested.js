/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
// node:test runs the hooks around a test again for each test inside it.
const assert = require('node:assert');
const { after, afterEach, beforeEach, test } = require('node:test');
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

const { isolation } = JSON.parse(process.env.HOOKS);
const hooks = resetHooks(db, { isolation });
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
after(hooks.afterAll);

const undoes = isolation === 'sandbox';
const ids = () => db('t').pluck('id').orderBy('id');

test('outer', async (t) => {
  await db('t').insert({ id: 1 });
  const trx = await db.transaction();
  await trx('t').insert({ id: 2 });

  await t.test('inner', async (inner) => {
    await db('t').insert({ id: 3 });
    await inner.test('innermost', () => db('t').insert({ id: 4 }));
    assert.deepStrictEqual(await ids(), undoes ? [1, 2, 3] : [1, 3, 4]);
  });
  await t.test('inner that leaks', async () => {
    await db.transaction();
  });
  await t.test('inner that fails', async () => {
    await db('t').insert({ id: 5 });
    throw new Error('as it should');
  });

  await trx('t').insert({ id: 6 });
  await trx.commit();
  assert.deepStrictEqual(await ids(), undoes ? [1, 2, 6] : [1, 2, 3, 4, 5, 6]);
  if (!undoes) await db('t').delete();
});

test('the next one starts clean', async () => assert.deepStrictEqual(await ids(), []));
