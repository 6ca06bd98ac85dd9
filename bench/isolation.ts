// What it costs a test to start clean: recycled connections and sandboxes beside what suites do by hand.
import type { Knex } from 'knex';
import { freshDatabase, type TestDatabase } from '../spec/support/database';
import { compareApart } from './apart';
import { compare, faster, type Line, type Side, stated, time } from './harness';
import { type Benchmark, plain, type ResettableKnex, withBoth } from './instances';
import {
  clean,
  deleteEach,
  deleteFromEach,
  emptyTables,
  insert,
  insertTwo,
  type Isolated,
  repeat,
  reset,
  sandbox,
  TABLES,
  truncate,
  truncateAll,
} from './isolation-work';

const TESTS = 500;

/** Each round is one time, since it needs to be prepared. */
const ONCE = { precision: 0.03, times: 1, maxMillis: 10_000 };

/** What it takes to empty the tables; to fill them is not measured. */
const emptying = (db: Knex, work: (db: Knex) => Promise<unknown>): Side => ({
  prepare: () => insertTwo(db),
  work: () => work(db),
});

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

/** A database for each side: TRUNCATE gives tables new files, for which every plan is made anew, also ours. */
async function withTablesOfEach<T>(database: TestDatabase, work: (others: TestDatabase) => Promise<T>): Promise<T> {
  const others = await freshDatabase();
  try {
    return await withTables(others, () => withTables(database, () => work(others)));
  } finally {
    await others.drop();
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
      compareApart(database, 'ours.recycle', 'plain.reset', {
        name: 'recycle + query : destroy + initialize + query',
        times: 1000,
        rivalTimes: 50,
        // The rival takes long for each run.
        warmUpMillis: 30_000,
        goal: faster(20),
      }),
  },
  {
    name: 'sandbox',
    run: (database) =>
      withTablesOfEach(database, async (others) => [
        ...(await compareApart([database, others], 'ours.sandbox', 'plain.truncate', {
          name: 'sandbox, one insert : TRUNCATE of 20 tables',
          times: 250,
          rivalTimes: 12,
          goal: faster(20),
        })),
        ...(await compareApart([database, others], 'ours.sandbox', 'plain.deleteEach', {
          name: 'sandbox, one insert : DELETE from each of 20',
          times: 250,
          rivalTimes: 45,
          // About five times: what a round trip costs beside the work of the server differs from machine to machine.
          goal: stated(faster(5)),
        })),
      ]),
  },
  {
    name: 'emptyTables',
    run: (database) =>
      withTablesOfEach(database, async (others) => {
        const rival = plain(others);
        try {
          return await withBoth(database, (db) => compareEmptying(db, rival));
        } finally {
          await rival.destroy();
        }
      }),
  },
  { name: 'suite of 500 tests', run: (database) => withTables(database, () => suite(database)) },
];
