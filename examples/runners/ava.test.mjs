import test from 'ava';
import { db } from './db.mjs';

for (const item of ['book', 'pen']) {
  test(`takes an order of a ${item}, beside the other test`, (t) =>
    db.sandbox(async () => {
      await db('orders').insert({ item });
      t.deepEqual(await db('orders').pluck('item'), [item]);
    }));
}

test.after.always(() => db.destroy());
