// What it costs to load the package, in a process that has loaded knex already.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { type Line, time } from './harness';
import type { Benchmark } from './instances';

const ROUNDS = 21;
const GOAL_MILLIS = 8;

const PROGRAM = `
  require('knex');
  const start = performance.now();
  require(${JSON.stringify(path.resolve(__dirname, '..', 'dist', 'index.js'))});
  console.log(performance.now() - start);
`;

function loadingMillis(): number {
  return Number(execFileSync(process.execPath, ['--eval', PROGRAM], { cwd: path.resolve(__dirname, '..') }));
}

async function load(): Promise<Line[]> {
  loadingMillis(); // from now on the files are in the system's cache
  // The quickest: what else the machine does only ever adds to it.
  const millis = Math.min(...Array.from({ length: ROUNDS }, () => loadingMillis()));
  return [
    {
      name: 'import',
      ours: time(millis),
      rival: '',
      ratio: '',
      goal: `≤ ${GOAL_MILLIS} ms`,
      verdict: millis <= GOAL_MILLIS ? 'ok' : 'MISSED',
    },
  ];
}

export const loading: Benchmark[] = [{ name: 'import', run: load }];
