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

describe('after', () => {
  it('finds the instance destroyed', () => assert.rejects(db.raw('select 1'), /Unable to acquire a connection/));
});
