// Holds how many files of lib/ a journey enters. A process of its own counts: the profiler belongs to the whole process.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import today from './architecture-today.json';
import { type Figures, grown } from './support/house-rules';
import { JOURNEYS } from './support/journeys';

const script = path.resolve(__dirname, '..', 'script', 'house.ts');

describe('the journeys through lib/', () => {
  it('enter no more files than their limits say, but for what is listed in architecture-today.json', async () => {
    const { NODE_V8_COVERAGE: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, '--json'], { env });
    const files = JSON.parse(stdout) as Record<string, string[]>;
    const over: Figures = {};
    for (const { title, limit } of JOURNEYS) {
      const count = files[title]?.length ?? 0;
      expect(count, title).to.be.greaterThan(0);
      if (count > limit) over[title] = count;
    }
    const faults = grown(over, today.journeys);
    expect(faults, `\n${faults.join('\n')}\n`).to.be.empty;
  });
});
