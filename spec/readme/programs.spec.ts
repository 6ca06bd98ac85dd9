// That the programs of this repository print what the pages show of them, in the same order, but for figures and places in files.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect } from 'chai';
import { blocksOf, documents, programOf, ROOT, sameEveryRun } from './readme-text';

const shown = documents.flatMap((document) => blocksOf(document)).filter((block) => programOf(block) !== undefined);

describe('what the pages show of', () => {
  for (const program of new Set(shown.map((block) => programOf(block) as string))) {
    describe(program, () => {
      let lines: string[];

      before(async function () {
        this.timeout(120_000);
        lines = linesOf(await output(program));
      });

      for (const block of shown.filter((each) => programOf(each) === program)) {
        it(`in ${block.file}:${block.line} is what it prints`, () => {
          let from = 0;
          for (const line of linesOf(block.code)) {
            const found = lines.indexOf(line, from);
            expect(
              found,
              `${line}\nis not printed, or not in this order; printed was:\n${lines.join('\n')}`,
            ).to.be.at.least(0);
            from = found + 1;
          }
        });
      }
    });
  }
});

function linesOf(text: string): string[] {
  return sameEveryRun(text)
    .split('\n')
    .map((line) => line.trim().replaceAll(/\s+/g, ' '))
    .filter((line) => line !== '');
}

async function output(program: string): Promise<string> {
  const args = ['--require', require.resolve('tsx/cjs'), path.join(ROOT, program)];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code, text).to.equal(0);
  return text;
}
