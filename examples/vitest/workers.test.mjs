// Tests that commit: workers on several connections see only what is committed. Each test starts with empty tables.
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { resetHooks } from 'knex-reset/testing';
import { work } from './app.mjs';
import { db } from './db.mjs';

const hooks = resetHooks(db, { isolation: 'clean' });
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);

async function order(...items) {
  const orders = await db('orders')
    .insert(items.map((item) => ({ item })))
    .returning('id');
  await db('jobs').insert(orders.map(({ id }) => ({ order_id: id })));
}

describe('workers', () => {
  test('share the jobs: none is done twice', async () => {
    await order('book', 'pen', 'ink');
    const sent = [];
    await Promise.all(Array.from({ length: 3 }, () => work(db, async (id) => void sent.push(id))));
    expect(sent).toHaveLength(3);
    expect(new Set(sent)).toEqual(new Set([1, 2, 3]));
    expect(await db('jobs')).toEqual([]);
  });

  test('leave a job that fails to the next one', async () => {
    await order('book');
    const failing = work(db, () => Promise.reject(new Error('no mail today')));
    await expect(failing).rejects.toThrow('no mail today');
    expect(await work(db, async () => {})).toBe(1);
    expect(await work(db, async () => {})).toBeUndefined();
  });
});
