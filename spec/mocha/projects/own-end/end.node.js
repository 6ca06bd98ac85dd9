// Tests of node:test that end what they have opened after the afterEach hooks: by t.after().
const assert = require('node:assert');
const { after, afterEach, beforeEach, describe, it, test } = require('node:test');
const { resetHooks } = require('knex-reset/testing');
const { db } = require('./db');

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
after(hooks.afterAll);

const endsIt = async (t) => {
  const trx = await db.transaction();
  t.after(() => trx.rollback());
};

test('ends a transaction', endsIt);
test('gives a connection back', async (t) => {
  const connection = await db.client.acquireConnection();
  t.after(() => db.client.releaseConnection(connection));
});
test('leaks', () => db.transaction());
test('throws and leaks', async () => {
  await db.transaction();
  throw new Error('its own');
});
test('has others inside', async (t) => {
  const [row] = await db('t').insert({ id: 1 }).returning('id');
  t.after(() => db('t').where(row).delete());
  await t.test('inner that ends a transaction', endsIt);
  await t.test('inner that leaks', () => db.transaction());
  assert.deepStrictEqual(await db('t').select('id'), [row]);
});
describe('a suite', () => {
  it('ends a transaction', endsIt);
  it('is innocent', async () => assert.deepStrictEqual(await db('t'), []));
});
