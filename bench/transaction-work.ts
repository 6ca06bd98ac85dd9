// Transactions and blocks of one statement, one after the other.
import type { Knex } from 'knex';
import type { AtomicOptions } from '../lib';
import type { Work } from './harness';
import type { ResettableKnex } from './instances';

type Statement = (trx: Knex.Transaction) => Promise<unknown>;

const select: Statement = async (trx) => trx.raw('select 1');
export const insert: Statement = async (trx) => trx('written').insert({ id: 1 });

export const transaction =
  (db: Knex, statement = select): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await db.transaction(statement);
  };

export const atomic =
  (db: ResettableKnex, statement = select, options?: AtomicOptions): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await db.atomic(statement, options);
  };
