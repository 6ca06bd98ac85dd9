/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
// Hooks inside one describe: what is outside of it goes on as ever.
const assert = require('node:assert');
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

let kept;

describe('before', () => {
  it('holds a transaction', async () => {
    kept = await db.transaction();
  });
  it('holds it still', async () => {
    await kept.raw('select 1');
    await kept.rollback();
  });
});

describe('with hooks', () => {
  const hooks = resetHooks(db, JSON.parse(process.env.HOOKS ?? '{}'));
  beforeEach(hooks.beforeEach);
  afterEach(hooks.afterEach);
  after(hooks.afterAll);

  it('leaks', async () => {
    await db.transaction((trx) => trx.raw('select 1'));
    await db.transaction();
  });
  it('is clean', () => assert.strictEqual(db.connectionState().transactions.length, db.client.pool.numUsed()));
  describe('deeper', () => {
    it('leaks too', async () => {
      await db.transaction();
    });
  });
});

describe('with hooks of its own', () => {
  const hooks = resetHooks(db, JSON.parse(process.env.HOOKS ?? '{}'));
  before('a fixture, before the hooks', () => db('t').insert({ id: 7 }));
  beforeEach(hooks.beforeEach);
  afterEach(hooks.afterEach);
  after(hooks.afterAll);
  after('the fixture goes', () => db('t').where({ id: 7 }).delete());

  it('finds its fixture', async () => assert.deepStrictEqual(await db('t').pluck('id'), [7]));
  it('leaks as well', async () => {
    await db.transaction();
  });
  it('finds it again', async () => assert.deepStrictEqual(await db('t').pluck('id'), [7]));
});

describe('after', () => {
  it('opens the instance again where it is asked', () => db.raw('select 1'));
});
