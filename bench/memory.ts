// What an idle connection and an open transaction keep in the heap, each side in processes of its own.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { TestDatabase } from '../spec/support/database';
import { figure, type Line, median } from './harness';
import type { Benchmark } from './instances';

const ROUNDS = 3;
const CHILD = path.join(__dirname, 'heap-child.ts');

/** Bytes of one idle connection and of one open transaction, the medians of some processes. */
function bytesOf(side: 'ours' | 'plain', { connection }: TestDatabase): { idle: number; open: number } {
  const flags = ['--expose-gc', '--import', 'tsx'];
  const printed = Array.from({ length: ROUNDS }, () =>
    execFileSync(process.execPath, [...flags, CHILD, side, JSON.stringify(connection)]).toString(),
  );
  const rounds = printed.map((each) => JSON.parse(each) as [number, number]);
  return { idle: median(rounds.map(([idle]) => idle)), open: median(rounds.map(([, open]) => open)) };
}

const kibibytes = (bytes: number) => `${figure(bytes / 1024)} KiB`;

async function memory(database: TestDatabase): Promise<Line[]> {
  const [ours, plain] = [bytesOf('ours', database), bytesOf('plain', database)];
  const line = (name: string, our: number, rival: number): Line => ({
    name,
    ours: kibibytes(our),
    rival: kibibytes(rival),
    ratio: figure(our / rival),
    goal: 'stated',
    verdict: '',
  });
  return [
    line('heap of an idle connection : with plain knex', ours.idle, plain.idle),
    line('heap of an open transaction : with plain knex', ours.open, plain.open),
  ];
}

export const memories: Benchmark[] = [{ name: 'heap of one', run: memory }];
