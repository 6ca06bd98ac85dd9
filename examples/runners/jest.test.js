const { db } = require('./db.js');

describe('orders', () => {
  for (const time of ['once', 'once more, and finds none of before'])
    test(`takes an order ${time}`, async () => {
      await db('orders').insert({ item: 'book' });
      expect(await db('orders')).toHaveLength(1);
    });

  test('leaks', async () => {
    const trx = await db.transaction();
    await trx('orders').insert({ item: 'book' });
  });
});
