const { resetHooks } = require('knex-reset/testing');
const { db } = require('./worker-db.js');

const hooks = resetHooks(db, { isolation: 'clean' });
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);

for (const item of ['book', 'pen']) {
  test(`stores a ${item}, which no other test has`, async () => {
    await db('orders').insert({ item });
    expect(await db('orders').pluck('item')).toEqual([item]);
  });
}
