// What it costs a test to start clean: recycled connections and sandboxes beside what suites do by hand.
import type { Knex } from 'knex';
import type * as Testing from '../lib/testing';
import { freshDatabase, type TestDatabase } from '../spec/support/database';
import { compare, faster, type Line, type Side, stated, time, type Work } from './harness';
import { type Benchmark, plain, type ResettableKnex, withBoth } from './instances';
import { destroyAndQuery } from './hard-reset';

const { emptyTables } = require('../dist/testing.js') as typeof Testing;

const TABLES = Array.from({ length: 20 }, (_, i) => `isolated_${i + 1}`);
const TESTS = 500;
const QUICK = { precision: 0.03, times: 10 };
/** A few rounds as long as a small suite: what comes first after the other side finds its caches cold. */
const SUITE = { precision: 0.03, times: 50, maxMillis: 30_000 };

/** Each round is one time, since it needs to be prepared. */
const ONCE = { precision: 0.03, times: 1, maxMillis: 10_000 };

const recycleAndQuery =
  (db: ResettableKnex): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) {
      await db.resetConnection({ connections: 'recycle' });
      await db.raw('select 1');
    }
  };

/** The test itself. */
const insert = (db: Knex) => db(TABLES[0] as string).insert({ name: 'a row' });

/** One test, and what keeps it from the next one. */
type Isolated<K extends Knex = ResettableKnex> = (db: K) => Promise<unknown>;

const sandbox: Isolated = async (db) => {
  const opened = await db.openSandbox();
  await insert(db);
  await opened.close();
};

const SECOND = TABLES.at(-1) as string;

/** Two of the tables hold rows. */
const insertTwo = async (db: Knex) => {
  await insert(db);
  await db(SECOND).insert({ name: 'a row' });
};

const clean: Isolated = async (db) => {
  await db.resetConnection({ connections: 'recycle' });
  await insert(db);
  await emptyTables(db);
};

const truncateAll = (db: Knex) => db.raw(`truncate ${TABLES.join(', ')}`);

const deleteFromEach = async (db: Knex) => {
  for (const table of TABLES) await db(table).del();
};

/** What it takes to empty the tables; to fill them is not measured. */
const emptying = (db: Knex, work: (db: Knex) => Promise<unknown>): Side => ({
  prepare: () => insertTwo(db),
  work: () => work(db),
});

const truncate: Isolated<Knex> = async (db) => {
  await insert(db);
  await truncateAll(db);
};

const deleteEach: Isolated<Knex> = async (db) => {
  await insert(db);
  await deleteFromEach(db);
};

const reset =
  (connections: 'close' | 'recycle'): Isolated =>
  async (db) => {
    await db.resetConnection({ connections });
    await insert(db);
  };

const repeat =
  <K extends Knex>(db: K, test: Isolated<K>): Work =>
  async (times) => {
    for (let i = 0; i < times; i++) await test(db);
  };

async function withTables<T>(database: TestDatabase, work: () => Promise<T>): Promise<T> {
  const db = plain(database);
  try {
    for (const table of TABLES) {
      await db.schema.createTable(table, (columns) => {
        columns.increments();
        columns.text('name');
      });
    }
    return await work();
  } finally {
    for (const table of TABLES) await db.schema.dropTableIfExists(table);
    await db.destroy();
  }
}

async function suite(database: TestDatabase): Promise<Line[]> {
  const lines: Line[] = [];
  const kinds: [string, Isolated][] = [
    ['no isolation', insert],
    ["isolation 'sandbox'", sandbox],
    ["isolation 'recycle'", reset('recycle')],
    ["isolation 'reset'", reset('close')],
    ["isolation 'clean'", clean],
    ['DELETE by hand', deleteEach],
    ['TRUNCATE by hand', truncate],
  ];
  for (const [kind, test] of kinds) {
    await withBoth(database, async (db) => {
      await repeat(db, test)(TESTS / 10);
      const start = performance.now();
      await repeat(db, test)(TESTS);
      const millis = performance.now() - start;
      const name = `${TESTS} tests: ${kind}`;
      lines.push({ name, ours: time(millis), rival: '', ratio: `${time(millis / TESTS)} each`, goal: '', verdict: '' });
      await db.raw(`truncate ${TABLES.join(', ')}`);
    });
  }
  return lines;
}

async function compareEmptying(db: ResettableKnex, rival: Knex): Promise<Line[]> {
  return [
    await compare({
      name: 'emptyTables, two of 20 filled : TRUNCATE of 20',
      ours: emptying(db, emptyTables),
      rival: emptying(rival, truncateAll),
      goal: faster(5),
      ...ONCE,
    }),
    await compare({
      name: 'emptyTables, two of 20 filled : DELETE from each',
      ours: emptying(db, emptyTables),
      rival: emptying(rival, deleteFromEach),
      goal: faster(2),
      ...ONCE,
    }),
  ];
}

export const isolation: Benchmark[] = [
  {
    name: 'recycle',
    run: (database) =>
      withBoth(database, async (db, rival) => [
        await compare({
          name: 'recycle + query : destroy + initialize + query',
          ours: recycleAndQuery(db),
          rival: destroyAndQuery(rival),
          goal: faster(20),
          ...QUICK,
        }),
      ]),
  },
  {
    name: 'sandbox',
    run: (database) =>
      withTables(database, () =>
        withBoth(database, async (db, rival) => [
          await compare({
            name: 'sandbox, one insert : TRUNCATE of 20 tables',
            ours: repeat(db, sandbox),
            rival: repeat(rival, truncate),
            goal: faster(20),
            ...SUITE,
          }),
          await compare({
            name: 'sandbox, one insert : DELETE from each of 20',
            ours: repeat(db, sandbox),
            rival: repeat(rival, deleteEach),
            // About five times: what a round trip costs beside the work of the server differs from machine to machine.
            goal: stated(faster(5)),
            ...SUITE,
          }),
        ]),
      ),
  },
  {
    name: 'emptyTables',
    run: async (database) => {
      // A database for each: TRUNCATE gives tables new files, for which every plan is made anew, also ours.
      const others = await freshDatabase();
      const rival = plain(others);
      try {
        return await withTables(others, () =>
          withTables(database, () => withBoth(database, (db) => compareEmptying(db, rival))),
        );
      } finally {
        await rival.destroy();
        await others.drop();
      }
    },
  },
  { name: 'suite of 500 tests', run: (database) => withTables(database, () => suite(database)) },
];
