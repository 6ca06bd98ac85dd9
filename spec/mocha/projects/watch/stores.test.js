const assert = require('node:assert');
const { db } = require('./db');

describe('a suite that is watched', () => {
  for (const time of ['once', 'again']) {
    it(`stores a row ${time}`, async () => {
      await db('t').insert({ id: 1 });
      assert.deepStrictEqual(await db('t').pluck('id'), [1]);
    });
  }
});
