// What only a sandbox makes of a test.
const assert = require('node:assert');
const { db } = require('./db');

describe('sandboxes', () => {
  beforeEach('a fixture', () => db('t').insert({ id: 0, note: 'fixture' }));

  for (let run = 1; run <= 20; run++) {
    it(`same key ${run}`, async () => {
      await db('t').insert({ id: 1 });
      await db.transaction((trx) => trx('t').insert({ id: 2 }));
      assert.deepStrictEqual(await db('t').pluck('id').orderBy('id'), [0, 1, 2]);
    });
  }

  it('constraint violated', async () => {
    await db('u').insert([{ id: 1 }, { id: 1 }]);
  });
  it('after a violated constraint', () => db('u').insert({ id: 1 }));

  it('escaped', async () => {
    await db.raw('rollback');
  });
  it('escaped and failed', async () => {
    await db.raw('rollback');
    throw new Error('its own');
  });
  it('after an escape', () => db('t').insert({ id: 1 }));

  it('reset', async () => {
    await db.resetConnection();
  });
  it('after a reset', () => db('t').insert({ id: 1 }));
});
