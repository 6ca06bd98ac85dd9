// What a query costs more through a resettable instance.
import type { Knex } from 'knex';
import { compare, throughput, type Work } from './harness';
import { type Benchmark, withBoth } from './instances';

const AT_ONCE = 10;

export const oneByOne =
  (db: Knex): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await db.raw('select 1');
  };

const tenAtOnce =
  (db: Knex): Work =>
  async (times) => {
    for (let i = 0; i < times; i += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => db.raw('select 1')));
    }
  };

export const queries: Benchmark[] = [
  {
    name: 'select 1',
    run: (database) =>
      withBoth(database, async (db, rival) => [
        await compare({
          name: 'select 1, one by one',
          ours: oneByOne(db),
          rival: oneByOne(rival),
          times: 500,
          goal: throughput(0.98),
        }),
        await compare({
          name: 'select 1, ten at once',
          ours: tenAtOnce(db),
          rival: tenAtOnce(rival),
          times: 500,
          goal: throughput(0.98),
        }),
      ]),
  },
];
