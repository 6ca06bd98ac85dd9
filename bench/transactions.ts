// What truthful transactions and blocks cost beside plain knex transactions.
import type { Knex } from 'knex';
import type { AtomicOptions } from '../lib';
import { compare, price, throughput, type Work } from './harness';
import { type Benchmark, ours, type ResettableKnex, withBoth } from './instances';

type Statement = (trx: Knex.Transaction) => Promise<unknown>;

const select: Statement = async (trx) => trx.raw('select 1');
const insert: Statement = async (trx) => trx('written').insert({ id: 1 });

const transaction =
  (db: Knex, statement = select): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await db.transaction(statement);
  };

const atomic =
  (db: ResettableKnex, statement = select, options?: AtomicOptions): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await db.atomic(statement, options);
  };

export const transactions: Benchmark[] = [
  {
    name: 'transaction',
    run: (database) =>
      withBoth(database, async (db, rival) => [
        await compare({
          name: 'db.transaction, one select : plain db.transaction',
          ours: transaction(db),
          rival: transaction(rival),
          times: 1000,
          goal: throughput(0.97),
        }),
      ]),
  },
  {
    name: 'transactionTimeoutMillis',
    async run(database) {
      const [limited, without] = [ours(database, { transactionTimeoutMillis: 30_000 }), ours(database)];
      try {
        return [
          await compare({
            name: 'transactionTimeoutMillis : db.transaction without it',
            ours: transaction(limited),
            rival: transaction(without),
            times: 1000,
            goal: throughput(0.98),
          }),
        ];
      } finally {
        await Promise.all([limited.destroy(), without.destroy()]);
      }
    },
  },
  {
    name: 'atomic',
    run: (database) =>
      withBoth(database, async (db, rival) => [
        await compare({
          name: 'db.atomic, one select : plain db.transaction',
          ours: atomic(db),
          rival: transaction(rival),
          times: 1000,
          goal: throughput(0.95),
        }),
      ]),
  },
  {
    name: 'verifyCommit',
    run: (database) =>
      withBoth(database, async (db, rival) => {
        await rival.schema.createTable('written', (table) => void table.integer('id'));
        const line = await compare({
          name: 'verifyCommit, one insert : db.atomic without it',
          ours: atomic(db, insert, { verifyCommit: true }),
          rival: atomic(db, insert),
          times: 1000,
          goal: price,
        });
        await rival.schema.dropTable('written');
        return [line];
      }),
  },
];
