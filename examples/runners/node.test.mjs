import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, test } from 'node:test';
import { resetHooks } from 'knex-reset/testing';
import { db } from './db.mjs';

const hooks = resetHooks(db, { isolation: 'sandbox' });
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
after(hooks.afterAll);

test('takes an order', async () => {
  await db('orders').insert({ item: 'book' });
  assert.equal((await db('orders')).length, 1);
});

test('finds none of it in the next test', async () => {
  assert.equal((await db('orders')).length, 0);
});

test('leaks', async () => {
  const trx = await db.transaction();
  await trx('orders').insert({ item: 'book' });
});
