// What it costs to know: leak detection and the diagnostics channels switched on, the borrow check within its threshold.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Knex } from 'knex';
import type { TestDatabase } from '../spec/support/database';
import { FaultProxy } from '../spec/support/fault-proxy';
import { compare, type Line, stated, throughput } from './harness';
import { type Benchmark, ours, plain } from './instances';
import { oneByOne } from './queries';

const CHANNELS = ['knex-reset:reset', 'knex-reset:transaction'];
const HOUR = 3_600_000;
const QUERIES = 100;

async function switchedOn(database: TestDatabase): Promise<Line[]> {
  const listen = () => {};
  const [heard, watched, silent] = [
    ours(database),
    ours(database, { leakAfterMillis: HOUR, onLeak: () => {} }),
    ours(database),
  ];
  const plainly = plain(database);
  for (const channel of CHANNELS) subscribe(channel, listen);
  try {
    return [
      // The register is always on; somebody listens to the channels.
      await compare({
        name: 'select 1, register and channels : plain knex',
        ours: oneByOne(heard),
        rival: oneByOne(plainly),
        times: 500,
        goal: throughput(0.98),
      }),
      // A stack for each query, which is what makes a full pool's error say where each holder was asked: V8 takes what it takes for it.
      await compare({
        name: 'select 1, leakAfterMillis : without',
        ours: oneByOne(watched),
        rival: oneByOne(silent),
        times: 500,
        goal: stated(throughput(0.98)),
      }),
    ];
  } finally {
    for (const channel of CHANNELS) unsubscribe(channel, listen);
    await Promise.all([heard, watched, silent, plainly].map((db) => db.destroy()));
  }
}

/** How many protocol messages the client sends for its queries, once it is connected. */
async function messagesOf(db: Knex, proxy: FaultProxy): Promise<number> {
  let count = 0;
  await db.raw('select 1');
  proxy.onMessage(() => void count++);
  await oneByOne(db)(QUERIES);
  const counted = count;
  await db.destroy();
  return counted;
}

async function borrowCheck(database: TestDatabase): Promise<Line[]> {
  const proxy = await FaultProxy.to(database.connection);
  const behind = { connection: proxy.through(database.connection) };
  const checked = await messagesOf(ours(behind, { checkIdleMillis: HOUR }), proxy);
  const unchecked = await messagesOf(plain(behind), proxy);
  await proxy.close();
  return [
    {
      name: `borrow check, ${QUERIES} queries within its threshold`,
      ours: `${checked} sent`,
      rival: `${unchecked} sent`,
      ratio: `+${checked - unchecked}`,
      goal: 'nothing',
      verdict: checked === unchecked ? 'ok' : 'MISSED',
    },
  ];
}

export const diagnostics: Benchmark[] = [
  { name: 'diagnostics', run: switchedOn },
  { name: 'borrow check', run: borrowCheck },
];
