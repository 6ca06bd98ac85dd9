// `npm run bench [-- name …]`: every benchmark whose name contains one of the arguments. Exits with 1 when a goal is missed, or not measured.
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { freshDatabase } from '../spec/support/database';
import { PostgresServer } from '../spec/support/postgres-server';
import { diagnostics } from './diagnostics';
import { isFailure, type Line } from './harness';
import type { Benchmark } from './instances';
import { isolation } from './isolation';
import { loading } from './loading';
import { memories } from './memory';
import { queries } from './queries';
import { resets } from './resets';
import { transactions } from './transactions';

const benchmarks: Benchmark[] = [
  ...queries,
  ...resets,
  ...transactions,
  ...isolation,
  ...diagnostics,
  ...memories,
  ...loading,
];
const widths = { name: 56, ours: 11, rival: 16, ratio: 16, goal: 9, verdict: 0 };

/**
 * Ties this process, and the server that it starts, to one core. Where client and server each have one, whether the
 * scheduler wakes the other core or not decides the time of a query by a factor of five, and not always alike for both sides.
 */
function tieToOneCore(): string {
  if (process.env.BENCH_CORES === 'all') return 'on all cores';
  const core = String(os.cpus().length - 1);
  const tied = spawnSync('taskset', ['-a', '-c', '-p', core, String(process.pid)]);
  return tied.status === 0 ? `tied to core ${core}` : 'on all cores, for want of taskset: expect noise';
}

function print(line: Record<keyof typeof widths, string>): void {
  const cells = Object.entries(widths).map(([key, width]) => line[key as keyof typeof widths].padEnd(width));
  console.log(cells.join('  ').trimEnd());
}

async function measure(benchmark: Benchmark): Promise<Line[] | undefined> {
  const database = await freshDatabase();
  try {
    const lines = await benchmark.run(database);
    for (const line of lines) print(line);
    return lines;
  } catch (error) {
    console.log(`${benchmark.name.padEnd(widths.name)}  not measured: ${(error as Error).message}`);
    return undefined;
  } finally {
    await database.drop();
  }
}

async function main(): Promise<void> {
  const named = process.argv.slice(2);
  const chosen = benchmarks.filter(({ name }) => named.length === 0 || named.some((part) => name.includes(part)));
  if (chosen.length === 0)
    throw new Error(`no such benchmark; there are: ${benchmarks.map(({ name }) => name).join(', ')}`);

  console.log(`node ${process.version}; medians of interleaved rounds, ± half of the 95 % confidence interval`);
  let isReached = true;
  for (const [where, group] of [
    [() => 'on all cores', chosen.filter(({ isSpread }) => isSpread)],
    [tieToOneCore, chosen.filter(({ isSpread }) => !isSpread)],
  ] as const) {
    if (group.length === 0) continue;
    print({ name: `\n${where()}`, ours: 'ours', rival: 'rival', ratio: 'ratio', goal: 'goal', verdict: '' });
    isReached = (await measureAll(group)) && isReached;
  }
  process.exitCode = isReached ? 0 : 1;
}

/** With a server of their own, which stays on the cores that this process is on when it is started. */
async function measureAll(group: Benchmark[]): Promise<boolean> {
  const server = await PostgresServer.create();
  process.env.DATABASE_URL = server.url;
  let isReached = true;
  try {
    for (const benchmark of group) {
      const lines = await measure(benchmark);
      isReached &&= lines !== undefined && !lines.some(({ verdict }) => isFailure(verdict));
    }
  } finally {
    await server.dispose();
  }
  return isReached;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
