/* oxlint-disable no-empty-pattern -- vitest reads the parameters of a fixture */
// Tests of vitest whose transaction ends outside the reach of the hooks: in the teardown of an aroundEach, or by the hooks themselves,
// because a fixture with `auto` opened it before they ran.
import { resetHooks } from 'knex-reset/testing';
import { afterAll, afterEach, aroundEach, beforeEach, describe, expect, test as base } from 'vitest';
import { db } from './db.js';

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
beforeEach(hooks.beforeEach);
afterEach(hooks.afterEach);
afterAll(hooks.afterAll);

describe('an aroundEach', () => {
  let trx;
  aroundEach(async (runTest) => {
    await runTest();
    await trx.rollback();
  });
  base('ends it too late', async () => {
    trx = await db.transaction();
  });
});

const early = base.extend({
  trx: [
    async ({}, use) => {
      const trx = await db.transaction();
      await use(trx);
      await trx.rollback();
    },
    { auto: true },
  ],
});

early('finds that of an auto fixture ended', ({ trx }) => expect(trx.isCompleted()).toBe(true));
