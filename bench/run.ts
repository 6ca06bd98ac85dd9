// `npm run bench [-- name …]`: every benchmark whose name contains one of the arguments. Exits with 1 when a goal is missed, or not measured.
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { freshDatabase } from '../spec/support/database';
import { PostgresServer } from '../spec/support/postgres-server';
import { diagnostics } from './diagnostics';
import type { Line } from './harness';
import type { Benchmark } from './instances';
import { isolation } from './isolation';
import { queries } from './queries';
import { resets } from './resets';
import { transactions } from './transactions';

const benchmarks: Benchmark[] = [...queries, ...resets, ...transactions, ...isolation, ...diagnostics];
/** In the environment: the one benchmark that this process is for. */
const ONLY = 'BENCH_ONLY';
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
  const only = process.env[ONLY];
  if (only !== undefined) return measureOnly(only);
  const named = process.argv.slice(2);
  const chosen = benchmarks.filter(({ name }) => named.length === 0 || named.some((part) => name.includes(part)));
  if (chosen.length === 0)
    throw new Error(`no such benchmark; there are: ${benchmarks.map(({ name }) => name).join(', ')}`);

  console.log(`node ${process.version}; medians of interleaved rounds, ± half of the 95 % confidence interval`);
  for (const [where, group] of [
    [() => 'on all cores', chosen.filter(({ isSpread }) => isSpread)],
    [tieToOneCore, chosen.filter(({ isSpread }) => !isSpread)],
  ] as const) {
    if (group.length === 0) continue;
    print({ name: `\n${where()}`, ours: 'ours', rival: 'rival', ratio: 'ratio', goal: 'goal', verdict: '' });
    for (const { name } of group) if (!measureAlone(name)) process.exitCode = 1;
  }
}

/** In a process of its own: what one benchmark leaves in V8, of shapes seen and of heap, is no part of the next. */
function measureAlone(name: string): boolean {
  const again = [...process.execArgv, __filename];
  const { status } = spawnSync(process.execPath, again, { stdio: 'inherit', env: { ...process.env, [ONLY]: name } });
  return status === 0;
}

/** With a server of its own, which stays on the cores that this process is on when it is started. */
async function measureOnly(name: string): Promise<void> {
  const server = await PostgresServer.create();
  process.env.DATABASE_URL = server.url;
  try {
    const lines = await measure(benchmarks.find((benchmark) => benchmark.name === name) as Benchmark);
    const isReached = lines?.every(({ verdict }) => verdict !== 'MISSED') ?? false;
    process.exitCode = isReached ? 0 : 1;
  } finally {
    await server.dispose();
  }
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
