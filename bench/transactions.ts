// What truthful transactions and blocks cost beside plain knex transactions.
import { compareApart } from './apart';
import { compare, price, throughput } from './harness';
import { type Benchmark, ours, withBoth } from './instances';
import { atomic, insert, transaction } from './transaction-work';

export const transactions: Benchmark[] = [
  {
    name: 'transaction',
    run: (database) =>
      compareApart(database, 'ours.transaction', 'plain.transaction', {
        name: 'db.transaction, one select : plain db.transaction',
        times: 1000,
        goal: throughput(0.97),
      }),
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
      compareApart(database, 'ours.atomic', 'plain.transaction', {
        name: 'db.atomic, one select : plain db.transaction',
        times: 1000,
        goal: throughput(0.95),
      }),
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
