/* oxlint-disable typescript/no-floating-promises -- that is what they are for */
const assert = require('node:assert');
const { db } = require('./db');

const never = () => new Promise(() => {});
const isEmpty = async () => assert.deepStrictEqual(await db('t'), []);

describe('leaks', () => {
  afterEach('tidy up', () => db.raw(`set lock_timeout = '1s'; truncate t`));

  it('transaction left open', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ id: 1, note: 'a secret' });
  });
  it('after a transaction', isEmpty);

  it('block left open', async () => {
    await new Promise((resolve) => {
      void db.atomic(
        async (trx) => {
          await trx('t').insert({ id: 1 });
          resolve();
          await never();
        },
        { label: 'the label' },
      );
    });
  });
  it('after a block', isEmpty);

  it('query left running', async () => {
    await db.raw('select 1');
    db.raw('select pg_sleep(10), ?::text', ['a secret']).then(() => {});
  });
  it('after a query', isEmpty);

  it('query asked last, on a new connection', () => {
    db.raw('select pg_sleep(10)').then(() => {});
  });
  it('after another query', isEmpty);

  it('query left running in a transaction', async () => {
    const trx = await db.transaction();
    trx.raw('select pg_sleep(10)').then(() => {});
  });

  it('nothing left', async () => {
    await db('t').insert({ id: 1 });
    await db.transaction((trx) => trx('t').insert({ id: 2 }));
    await db.atomic((trx) => trx('t').insert({ id: 3 }));
    const trx = await db.transaction();
    await trx('t').insert({ id: 4 });
    await trx.commit();
    await Promise.all([db('t'), db('t'), db('t'), db('t')]);
    await assert.rejects(db('t').insert({ id: 1 }), { code: '23505' });
  });

  it('its own error', async () => {
    await db.transaction();
    throw new Error('its own');
  });

  it('its own error, not in a promise', () => {
    throw new Error('its own');
  });

  it('sync', () => {});
});

describe('a transaction that hooks open and close', () => {
  let trx;
  beforeEach(async () => {
    trx = await db.transaction();
  });
  afterEach(() => trx.rollback());

  it('is not of the test', () => trx('t').insert({ id: 1 }));
  it('is none of its leaks', async () => {
    await trx('t').insert({ id: 1 });
    await db.transaction();
  });
});
