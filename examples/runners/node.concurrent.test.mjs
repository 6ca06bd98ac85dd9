import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { db } from './db.mjs';

/** Gives a test a sandbox of its own. */
const sandboxed = (body) => (t) => db.sandbox(() => body(t));

describe('orders', { concurrency: true }, () => {
  for (const item of ['book', 'pen'])
    test(
      `takes an order of a ${item}, beside the other test`,
      sandboxed(async () => {
        await db('orders').insert({ item });
        assert.deepEqual(await db('orders').pluck('item'), [item]);
      }),
    );
});

after(() => db.destroy());
