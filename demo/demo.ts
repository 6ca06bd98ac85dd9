// `npm run demo`: one broken test, with and without a reset before each. Exits with 0 only when it went as told.
import assert from 'node:assert/strict';
import knex, { type Knex } from 'knex';
import { type ResetReport, resettable } from '../lib';
import { freshDatabase, type TestDatabase } from '../spec/support/database';
import { PostgresServer } from '../spec/support/postgres-server';
import { play, type TestResult } from './play';
import { report, results, say, title } from './print';
import * as stage from './scene';

/** The first two tests. The second leaves the mess. */
const BEFORE_THE_MESS = 2;

function connect(database: TestDatabase): Knex {
  return knex({
    client: 'pg',
    connection: database.connection,
    pool: { min: 0, max: 2 },
    acquireConnectionTimeout: 600,
    log: { warn() {}, error() {} }, // its failures are told below
  });
}

/** Also with what the tests left open, for which knex's own `destroy()` would wait for ever. */
async function close(db: Knex): Promise<void> {
  const closing = resettable(db);
  await closing.resetConnection();
  await closing.destroy();
}

async function furnish(database: TestDatabase): Promise<void> {
  await database.query('drop table if exists orders, stock');
  await database.query('create table orders (id serial primary key, item text not null)');
  await database.query('create table stock (item text primary key, "left" integer not null)');
  await database.query("insert into stock values ('book', 10)");
}

async function without(db: Knex): Promise<void> {
  title('Without knex-reset: six tests, one Knex instance');
  stage.set({ db, isReset: false });
  const tests = await play();
  results(tests);
  say('  The second test left a transaction open, and its lock; each test that waits takes one more connection along.');
  assert.deepEqual(
    failures(tests),
    tests.slice(BEFORE_THE_MESS).map((test) => test.title),
    'without a reset, the tests after the mess fail',
  );
}

async function withReset(plain: Knex, database: TestDatabase): Promise<void> {
  const db = resettable(plain);
  const reports: ResetReport[] = [];
  const { resetConnection } = db;
  db.resetConnection = async (...args) => {
    const made = await resetConnection(...args);
    reports.push(made);
    return made;
  };

  title('With beforeEach(db.resetConnection): the same six');
  stage.set({ db, isReset: true });
  const tests = await play();
  results(tests);

  title(`What the reset before "${tests[BEFORE_THE_MESS]?.title}" did`);
  const telling = reports[BEFORE_THE_MESS];
  assert(telling, 'one reset for each test');
  report(telling);
  const others = reports.filter((made) => made !== telling);
  say(`  The other ${others.length} resets found no open transaction: ${mean(others).toFixed(1)} ms each.`);

  assert.deepEqual(failures(tests), [], 'with a reset before each, all tests pass');
  assert.equal(tests.length, reports.length);
  assert.equal(telling.abortedTransactions.length, 1, 'the reset found the forgotten transaction');
  assert.match(telling.abortedTransactions[0]?.lastSql ?? '', /^update "stock"/);
  assert.match(telling.abortedTransactions[0]?.stack ?? '', /suite\.ts/);

  await db.resetConnection();
  const [backends, locks] = [await database.backends(), await database.locks()];
  say(`  After the last one the server has ${backends.length} connections and ${locks.length} locks of ours.`);
  assert.deepEqual([backends, locks], [[], []], 'the server has let go');
}

const failures = (tests: TestResult[]) => tests.filter((test) => test.error).map((test) => test.title);
const mean = (reports: ResetReport[]) => reports.reduce((sum, made) => sum + made.durationMillis, 0) / reports.length;

async function main(): Promise<void> {
  const server = process.env.DATABASE_URL ? undefined : await PostgresServer.create();
  const database = await freshDatabase(process.env.DATABASE_URL ?? server?.url);
  const clear = async () => {
    await database.drop();
    await server?.dispose();
  };
  process.once('SIGINT', () => void clear().finally(() => process.exit(130)));
  try {
    for (const act of [without, withReset]) {
      await furnish(database);
      const db = connect(database);
      await act(db, database).finally(() => close(db));
    }
  } finally {
    await clear();
  }
}

main().then(
  () => say(),
  (error: Error) => {
    console.error(`\nThe story did not go as told: ${error.message}`);
    process.exitCode = 1;
  },
);
