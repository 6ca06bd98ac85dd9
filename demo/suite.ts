// The suite of the story: a small shop, tested the usual way. Its second test leaves a mess, and is not even wrong about the error.
import assert from 'node:assert/strict';
import { scene } from './scene';

describe('the shop', () => {
  const { db, isReset } = scene();

  if (isReset) beforeEach(db.resetConnection);

  it('takes an order', async () => {
    await db('orders').insert({ item: 'book' });
  });

  it('refuses a payment when the database goes away', async () => {
    const forgotten = await db.transaction();
    await forgotten('stock').where({ item: 'book' }).decrement('left', 1);

    await assert.rejects(
      db.transaction(async (trx) => {
        await trx('orders').insert({ item: 'pen' });
        await trx.raw('select pg_terminate_backend(pg_backend_pid())');
      }),
    );
  });

  it('sells a book', async () => {
    await db('stock').where({ item: 'book' }).decrement('left', 1);
  });

  it('counts the orders', async () => {
    assert.equal((await db('orders')).length, 1);
  });

  it('takes a book back, in a transaction', async () => {
    await db.transaction(async (trx) => {
      await trx('orders').where({ item: 'book' }).del();
      await trx('stock').where({ item: 'book' }).increment('left', 1);
    });
  });

  it('closes the shop', async () => {
    await db.schema.dropTable('orders').dropTable('stock');
  });
});
