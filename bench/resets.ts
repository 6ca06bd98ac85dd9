// What a reset costs beside the best that plain knex can do by hand, and that it leaves nothing behind.
import type { Knex } from 'knex';
import { Client } from 'pg';
import type { TestDatabase } from '../spec/support/database';
import { until } from '../spec/support/until';
import { collectGarbage, compare, duration, type Line, median, settle, time } from './harness';
import { compareApart } from './apart';
import { resetAndQuery } from './hard-reset';
import { type Benchmark, ours } from './instances';

const RESETS = 10_000;
/** What the heap may differ by: less than one small object for each reset. */
const FLAT_BYTES = RESETS * 32;
const PRISTINE_MICROS = 20;

/** So many transactions open, half of them asleep on the server. Their promises are the reset's to reject. */
async function openMany(db: Knex, database: TestDatabase, count: number): Promise<void> {
  const open = async (index: number) => {
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    await trx.raw('select 1');
    if (index % 2 === 0) void trx.raw('select pg_sleep(60)').catch(() => {});
  };
  await Promise.all(Array.from({ length: count }, (_, index) => open(index)));
  await untilAsleep(database, count / 2);
}

function untilAsleep(database: TestDatabase, count: number): Promise<unknown> {
  return until(`${count} of them sleep`, async () => {
    const sleeping = (await database.backends()).filter((each) => each.query.includes('pg_sleep'));
    return sleeping.filter((each) => each.state === 'active').length === count;
  });
}

/** What no reset can be quicker than: one connection that terminates as many sessions, and sees them gone. */
class Terminated {
  readonly #database: TestDatabase;
  readonly #count: number;
  #clients: Client[] = [];

  constructor(database: TestDatabase, count: number) {
    this.#database = database;
    this.#count = count;
  }

  readonly prepare = async (): Promise<void> => {
    const open = async (_: unknown, index: number) => {
      const client = new Client(this.#database.connection);
      client.on('error', () => {});
      await client.connect();
      await client.query('begin');
      await client.query('select 1');
      if (index % 2 === 0) void client.query('select pg_sleep(60)').catch(() => {});
      return client;
    };
    this.#clients = await Promise.all(Array.from({ length: this.#count }, open));
    await untilAsleep(this.#database, this.#count / 2);
  };

  readonly work = async (): Promise<void> => {
    const pids = this.#clients.map((client) => (client as Client & { processID: number }).processID);
    const admin = new Client(this.#database.connection);
    await admin.connect();
    const { rows } = await admin.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids]);
    if (rows.length !== this.#count) throw new Error(`${rows.length} of ${this.#count} were terminated`);
    for (let left = this.#count; left > 0; ) {
      const answer = await admin.query<{ n: number }>(
        'select count(*)::int as n from pg_stat_activity where pid = any($1)',
        [pids],
      );
      left = answer.rows[0]?.n ?? 0;
    }
    await admin.end();
  };
}

function resetOfMany(count: number): Benchmark {
  return {
    name: `reset of ${count} transactions`,
    isSpread: true,
    async run(database) {
      const db = ours(database, {}, { pool: { min: 0, max: count } });
      const line = await compare({
        name: `reset of ${count} transactions : one connection ends as many`,
        ours: { prepare: () => openMany(db, database, count), work: () => db.resetConnection() },
        rival: new Terminated(database, count),
        times: 1,
        goal: duration(1.15),
        precision: 0.05,
      });
      await db.destroy();
      return [line];
    },
  };
}

async function pristine(database: TestDatabase): Promise<Line> {
  const db = ours(database);
  const rounds: number[] = [];
  for (let round = 0; round < 40; round++) {
    const start = performance.now();
    for (let i = 0; i < 500; i++) await db.resetConnection();
    rounds.push((performance.now() - start) / 500);
  }
  await db.destroy();
  const millis = median(rounds);
  return {
    name: 'pristine reset',
    ours: time(millis),
    rival: '',
    ratio: '',
    goal: `≤ ${PRISTINE_MICROS} µs`,
    verdict: millis * 1000 <= PRISTINE_MICROS ? 'ok' : 'MISSED',
  };
}

interface Census {
  heap: number;
  handles: number;
  timers: number;
  listeners: number;
  backends: number;
}

async function census(db: Knex, database: TestDatabase): Promise<Census> {
  await settle();
  collectGarbage();
  const resources = process.getActiveResourcesInfo();
  const timers = resources.filter((each) => each === 'Timeout' || each === 'Immediate').length;
  const emitters = [db, db.client as NodeJS.EventEmitter, process];
  return {
    heap: process.memoryUsage().heapUsed,
    handles: resources.length - timers,
    timers,
    listeners: emitters.flatMap((each) => each.eventNames().map((name) => each.listenerCount(name))).reduce(sum, 0),
    backends: (await database.backends()).length,
  };
}

const sum = (a: number, b: number) => a + b;

async function manyResets(database: TestDatabase): Promise<Line[]> {
  const db = ours(database);
  // In a process that has just started V8 goes on compiling for thousands of them.
  await resetAndQuery(db)(RESETS / 2);
  const before = await census(db, database);
  await resetAndQuery(db)(RESETS);
  const after = await census(db, database);
  await db.destroy();
  const line = (what: keyof Census, show: (value: number) => string, most: number): Line => ({
    name: `${RESETS} resets: ${what}`,
    ours: show(after[what]),
    rival: `${show(before[what])} before`,
    ratio: `${after[what] >= before[what] ? '+' : '-'}${show(Math.abs(after[what] - before[what]))}`,
    goal: most === 0 ? 'flat' : `≤ ${show(most)}`,
    verdict: after[what] - before[what] <= most ? 'ok' : 'MISSED',
  });
  return [
    line('heap', (bytes) => `${(bytes / 1024).toFixed(0)} KiB`, FLAT_BYTES),
    ...(['handles', 'timers', 'listeners', 'backends'] as const).map((what) => line(what, String, 0)),
  ];
}

export const resets: Benchmark[] = [
  {
    name: 'hard reset',
    run: (database) =>
      compareApart(database, 'ours.reset', 'plain.reset', {
        name: 'hard reset + query : destroy + initialize + query',
        // Long enough that little of a round is the waking of a process that has waited for all the others.
        times: 200,
        goal: duration(1.0),
        // Four thousand runs in each of the processes: V8 optimises code that runs once in a reset late.
        warmUpMillis: 72_000,
      }),
  },
  {
    name: 'reset of ten transactions',
    isSpread: true,
    run: async (database) => {
      const [db, idle] = [ours(database), ours(database)];
      const line = await compare({
        name: 'reset of ten transactions + query : hard reset + query',
        ours: { prepare: () => openMany(db, database, 10), work: resetAndQuery(db) },
        rival: resetAndQuery(idle),
        times: 1,
        goal: duration(4),
        precision: 0.05,
      });
      await Promise.all([db.destroy(), idle.destroy()]);
      return [line];
    },
  },
  ...[10, 50, 100].map(resetOfMany),
  { name: 'pristine reset', run: async (database) => [await pristine(database)] },
  { name: '10000 resets', run: manyResets },
];
