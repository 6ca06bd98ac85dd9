// What it costs to load the package, in a process that has loaded knex already.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { type Line, time } from './harness';
import type { Benchmark } from './instances';

const ROOT = path.resolve(__dirname, '..');
const ROUNDS = 61;
const GOAL_MILLIS = 8;

const IMPORT = `require(${JSON.stringify(path.join(ROOT, 'dist', 'index.js'))})`;
/** What is loaded while the first connection is opened too. */
const WITH_THE_REST = `${IMPORT}.take('connected.js')`;

function loadingMillis(statement: string): number {
  const program = `require('knex'); const start = performance.now(); ${statement}; console.log(performance.now() - start);`;
  return Number(execFileSync(process.execPath, ['--eval', program], { cwd: ROOT }));
}

/** The quickest of many: what else the machine does only ever adds to it. */
function quickestMillis(statement: string): number {
  loadingMillis(statement); // from now on the files are in the system's cache
  return Math.min(...Array.from({ length: ROUNDS }, () => loadingMillis(statement)));
}

async function load(): Promise<Line[]> {
  const millis = quickestMillis(IMPORT);
  const verdict = millis <= GOAL_MILLIS ? 'ok' : 'MISSED';
  const line = { rival: '', ratio: '' };
  return [
    { ...line, name: 'import', ours: time(millis), goal: `≤ ${GOAL_MILLIS} ms`, verdict },
    {
      ...line,
      name: 'import, with what the first connection loads',
      ours: time(quickestMillis(WITH_THE_REST)),
      goal: 'stated',
      verdict: '',
    },
  ];
}

export const loading: Benchmark[] = [{ name: 'import', run: load }];
