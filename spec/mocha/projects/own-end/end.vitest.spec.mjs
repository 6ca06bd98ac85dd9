/* oxlint-disable no-empty-pattern -- vitest reads the parameters of a fixture */
// Tests of vitest that end what they have opened after their afterEach hooks: by fixtures, and by onTestFinished().
import { resetHooks } from 'knex-reset/testing';
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test as base } from 'vitest';
import { db } from './db.js';

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);

const test = base.extend({
  trx: async ({}, use) => {
    const trx = await db.transaction();
    await use(trx);
    await trx.rollback();
  },
  held: async ({}, use) => {
    const connection = await db.client.acquireConnection();
    await use(connection);
    await db.client.releaseConnection(connection);
  },
});

test('has a transaction by a fixture', async ({ trx }) => {
  await trx('t').insert({ id: 1 });
});
test('has a connection by a fixture', ({ held }) => expect(held).toBeDefined());
test('ends it when it is finished', async () => {
  const trx = await db.transaction();
  onTestFinished(() => trx.rollback());
});
test('leaks at first', { retry: 1 }, async ({ task }) => {
  if (!task.result.retryCount) await db.transaction();
});
test('leaks', () => db.transaction());
test('is innocent', async () => expect(await db('t')).toEqual([]));

describe('a suite', () => {
  let trx;
  afterEach(() => trx.rollback());
  test('ends it in a hook', async () => {
    trx = await db.transaction();
  });
});
