// Runs many seeds on several processes.
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import type { Report, Task } from './worker';

export interface Campaign {
  seed: number;
  count: number;
  workers: number;
  isShort?: boolean;
  explained?: number;
  isWhole?: boolean;
  /** A copy of the package in the place of this one. */
  lib?: string;
}

export type Failure = Extract<Report, { is: 'failure' }>;

export interface Result {
  schedules: number;
  statements: number;
  failures: Failure[];
  transcripts: string[];
}

export async function runCampaign(
  campaign: Campaign,
  onFailure: (failure: Failure) => void = () => {},
): Promise<Result> {
  const { seed, count, workers, isShort = false, explained = 3, isWhole } = campaign;
  const result: Result = { schedules: 0, statements: 0, failures: [], transcripts: [] };
  const children: ChildProcess[] = [];
  const hear = (report: Report) => {
    if (report.is === 'done') {
      result.schedules += report.schedules;
      result.statements += report.statements;
      return;
    }
    if (report.is === 'transcript') {
      result.transcripts.push(report.text);
      return;
    }
    result.failures.push(report);
    onFailure(report);
    if (isShort) for (const child of children) child.kill();
  };
  const ends = Array.from({ length: workers }, (_, i) => {
    const child = startWorker(campaign.lib);
    children.push(child);
    child.on('message', hear);
    const task: Task = { from: seed + i, to: seed + count, step: workers, isShort, explained, isWhole };
    child.send(task);
    return ended(child);
  });
  const codes = await Promise.all(ends);
  const hasStopped = isShort && result.failures.length > 0;
  if (!hasStopped && codes.some((code) => code !== 0)) throw new Error(`a worker ended with ${codes.join(', ')}`);
  return result;
}

function startWorker(lib: string | undefined): ChildProcess {
  const env = lib === undefined ? process.env : { ...process.env, SIMULATED_LIB: lib };
  return fork(path.join(__dirname, 'worker.ts'), { execArgv: ['--no-warnings', '--require', 'tsx/cjs'], env });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('exit', resolve).once('error', reject);
  });
}
