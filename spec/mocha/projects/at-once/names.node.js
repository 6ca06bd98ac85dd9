/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
// node:test joins the names of nested tests with " > ", which may be in a name, too.
const assert = require('node:assert');
const { EventEmitter, once } = require('node:events');
const { after, afterEach, beforeEach, describe, it } = require('node:test');
const { resetHooks } = require('knex-reset/mocha');
const { db } = require('./db');

const hooks = resetHooks(db, JSON.parse(process.env.HOOKS));
const steps = new EventEmitter();
beforeEach(async (context) => {
  await hooks.beforeEach(context).finally(() => steps.emit(context.name));
});
afterEach(hooks.afterEach);
after(hooks.afterAll);

describe('one after the other', () => {
  let isFirst = true;
  // Ours, which comes after it, is not called then.
  afterEach(() => {
    if (isFirst) {
      isFirst = false;
      throw new Error('as it should');
    }
  });
  it('price', () => db('t').insert({ id: 1 }));
  it('price > 100', async () => {
    assert.deepStrictEqual(await db('t'), []);
    await db('t').insert({ id: 1 });
  });
});

describe('at once', { concurrency: true }, () => {
  const otherTried = once(steps, 'total > 0');
  it('total', async () => {
    await db('t').insert({ id: 1 });
    await otherTried;
    assert.deepStrictEqual(await db('t').pluck('id'), [1]);
  });
  it('total > 0', () => db('t').insert({ id: 2 }));
});
