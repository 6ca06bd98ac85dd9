// What the service does. It is handed no transaction: what it asks of `db` runs in that of the request.
import { afterCommit } from 'knex-reset';
import type { Db } from './db';
import type { Outbox } from './outbox';

export interface Order {
  id: number;
  item: string;
}

export async function place(db: Db, outbox: Outbox, { id, item }: Order): Promise<Order> {
  // Stays when the order is refused, and its transaction rolled back.
  await db.outside(() => db('audit').insert({ order_id: id, what: `asked for a ${item}` }));
  await db('orders').insert({ id, item });
  await db('stock').where({ item }).decrement('pieces', 1);
  // Stored with the order or not at all; sent once it is stored.
  await db('outbox').insert({ order_id: id });
  await afterCommit(db, () => outbox.wake());
  return { id, item };
}

export async function list(db: Db): Promise<Order[]> {
  return db<Order>('orders').orderBy('id').limit(100);
}
