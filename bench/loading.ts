// What it costs to load the package, in a process that has loaded knex and pg already, beside loading those two.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { duration, type Line, time } from './harness';
import type { Benchmark } from './instances';

const ROUNDS = 21;
const PACKAGE = path.resolve(__dirname, '..', 'dist', 'index.js');
/** A tenth: how many milliseconds that are differs from machine to machine. */
const GOAL = duration(0.1);

const PROGRAM = `
  const millis = (load) => {
    const start = performance.now();
    load();
    return performance.now() - start;
  };
  const rival = millis(() => { require('knex'); require('pg'); });
  console.log(JSON.stringify({ rival, ours: millis(() => require(${JSON.stringify(PACKAGE)})) }));
`;

function loadingMillis(): { ours: number; rival: number } {
  const printed = execFileSync(process.execPath, ['--eval', PROGRAM], { cwd: path.resolve(__dirname, '..') });
  return JSON.parse(String(printed)) as { ours: number; rival: number };
}

async function load(): Promise<Line[]> {
  loadingMillis(); // from now on the files are in the system's cache
  const rounds = Array.from({ length: ROUNDS }, loadingMillis);
  // The quickest of each: what else the machine does only ever adds to it.
  const [ours, rival] = (['ours', 'rival'] as const).map((side) => Math.min(...rounds.map((each) => each[side]))) as [
    number,
    number,
  ];
  const ratio = GOAL.ratio(ours, rival);
  return [
    {
      name: 'import : import of knex and pg',
      ours: time(ours),
      rival: time(rival),
      ratio: ratio.toFixed(3),
      goal: GOAL.text,
      verdict: GOAL.isReached(ratio) ? 'ok' : 'MISSED',
    },
  ];
}

export const loading: Benchmark[] = [{ name: 'import', run: load }];
