/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
// Hooks in a describe inside another one that has hooks as well.
const assert = require('node:assert');
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

describe('outer', () => {
  const outer = resetHooks(db, JSON.parse(process.env.HOOKS ?? '{}'));
  beforeEach(outer.beforeEach);
  afterEach(outer.afterEach);
  after(outer.afterAll);

  it('leaks', async () => {
    await db.transaction();
  });

  describe('inner', () => {
    const inner = resetHooks(db, { isolation: 'sandbox' });
    beforeEach(inner.beforeEach);
    afterEach(inner.afterEach);

    for (const time of ['once', 'again'])
      it(`is in a sandbox ${time}`, async () => {
        await db('t').insert({ id: 1 });
        assert.deepStrictEqual(await db('t').pluck('id'), [1]);
      });
    it('leaks', async () => {
      await db.transaction();
    });
  });
});
