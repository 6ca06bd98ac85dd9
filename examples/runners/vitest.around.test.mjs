import { describe, test } from 'vitest';
import { db } from './db.mjs';

describe.concurrent('orders', () => {
  for (const item of ['book', 'pen'])
    test(`takes an order of a ${item}, beside the other test`, async ({ expect }) => {
      await db('orders').insert({ item });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await db('orders').pluck('item')).toEqual([item]);
    });
});
