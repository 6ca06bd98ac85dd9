/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
// Tests that overlap, for each runner: `suite({ it, serial })`.
const assert = require('node:assert');
const { setTimeout } = require('node:timers/promises');
const { db } = require('./db');

exports.suite = ({ concurrent, serial }) => {
  for (const id of [1, 2, 3]) {
    concurrent(`concurrent ${id}`, async () => {
      await db('t').insert({ id });
      await setTimeout(300);
      assert.deepStrictEqual(await db('t').pluck('id'), [id]);
      await db('t').delete();
    });
  }
  serial('serial, after them', async () => assert.deepStrictEqual(await db('t'), []));
};
