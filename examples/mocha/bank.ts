// The app. It has transactions of its own, and knows nothing of tests.
import knex from 'knex';
import { resettable } from 'knex-reset';

export const db = resettable(knex({ client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0, max: 5 } }));

/** What customers were told. */
export const letters: string[] = [];

export async function migrate(): Promise<void> {
  await db.schema.createTable('accounts', (table) => {
    table.string('owner').primary();
    table.integer('balance').notNullable().checkPositive();
  });
}

export async function open(owner: string, balance: number): Promise<void> {
  await db('accounts').insert({ owner, balance });
}

export async function balanceOf(owner: string): Promise<number | undefined> {
  const account = await db<{ owner: string; balance: number }>('accounts').where({ owner }).first();
  return account?.balance;
}

export async function transfer(from: string, to: string, amount: number): Promise<void> {
  await db.atomic(
    async (trx) => {
      await trx('accounts').where({ owner: to }).increment('balance', amount);
      await trx('accounts').where({ owner: from }).decrement('balance', amount);
      trx.afterCommit(() => void letters.push(`${from} paid ${amount} to ${to}`));
    },
    { durable: true, isolationLevel: 'serializable', retry: 3 },
  );
}

/** Has a bug: where there is no such account the transaction stays open. */
export async function close(owner: string): Promise<void> {
  const trx = await db.transaction();
  const closed = await trx('accounts').where({ owner }).delete();
  if (closed === 0) return;
  await trx.commit();
}
