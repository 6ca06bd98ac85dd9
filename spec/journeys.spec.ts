// Holds how many files of lib/ a journey enters. A process of its own counts: the profiler belongs to the whole process.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { JOURNEYS } from './support/journeys';

const script = path.resolve(__dirname, '..', 'script', 'house.ts');

describe('the journeys through lib/', () => {
  it('enter no more files than their limits say', async () => {
    const { NODE_V8_COVERAGE: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, '--json'], { env });
    const files = JSON.parse(stdout) as Record<string, string[]>;
    for (const { title, limit } of JOURNEYS) {
      const entered = files[title] ?? [];
      expect(entered.length, `${title}:\n${entered.join('\n')}\n`).to.be.within(1, limit);
    }
  });

  it('have the limits that the design page says', () => {
    const page = fs.readFileSync(path.resolve(__dirname, '..', 'docs', 'design.md'), 'utf8').replaceAll('`', '');
    for (const { title, limit } of JOURNEYS) expect(page).to.include(`| ${title} | ${limit} |`);
  });
});
