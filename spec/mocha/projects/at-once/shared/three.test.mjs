import assert from 'node:assert';
import { afterAll, beforeAll, it } from 'vitest';
import { db } from '../db.js';

beforeAll(async () => {
  await db('t').insert({ id: 7 });
});
afterAll(async () => {
  await db('t').delete();
});

for (const time of ['once', 'again']) {
  it(`finds its fixture and nothing else ${time}`, async () => {
    assert.deepStrictEqual(await db('t').pluck('id'), [7]);
    await db('t').insert({ id: 8 });
    if (JSON.parse(process.env.HOOKS).isolation !== 'sandbox') await db('t').where({ id: 8 }).delete();
  });
}
