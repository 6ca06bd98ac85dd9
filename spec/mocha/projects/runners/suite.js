/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
// The same suite for every runner: `suite({ describe, it, beforeEach, afterEach, afterAll })`.
const assert = require('node:assert');
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

module.exports = ({ describe, it, beforeEach, afterEach, afterAll }) => {
  const hooks = resetHooks(db, JSON.parse(process.env.HOOKS ?? '{}'));

  describe('suite', () => {
    beforeEach(hooks.beforeEach);
    afterEach(hooks.afterEach);
    afterAll(hooks.afterAll);

    it('inserts', () =>
      db('t')
        .insert({ id: 1 })
        .then(() => db('t').delete()));
    it('leaks a transaction', async () => {
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
    });
    it('leaks a query', async () => {
      await db.raw('select 1');
      db.raw('select pg_sleep(10)').then(() => {});
    });
    it('is clean', async () => assert.deepStrictEqual(await db('t'), []));
  });
};
