// Shows what the root hooks and the reporter make of a file whose tests misbehave.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { expect } from 'chai';

interface Outcome {
  code: number | undefined;
  output: string;
}

function run(file: string, flags: string[], variables: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const mocha = require.resolve('mocha/bin/mocha.js');
  const support = (file: string) => path.join(__dirname, file);
  const setup = ['--no-config', '--require', 'tsx/cjs', '--require', support('root-hooks.ts')];
  const args = [mocha, ...setup, '--reporter', support('reporter.ts'), ...flags, support(`fixtures/${file}`)];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { env: { PATH: process.env.PATH, ...variables } },
      (_error, output) => {
        resolve({ code: child.exitCode ?? undefined, output });
      },
    );
  });
}

describe('root hooks', () => {
  for (const flags of [[], ['--parallel']]) {
    it(`fail the tests that misbehave, and nothing else ${flags.join()}`, async () => {
      const { code, output } = await run('faulty.ts', flags);
      expect(output)
        .to.match(/1\) leaves a rejection unhandled/)
        .and.to.include('unhandled rejection: Error: nobody heard this')
        .and.to.match(/2\) causes a warning/)
        .and.to.include('process warning: DeprecationWarning: this will be dropped')
        .and.to.match(/3\) waits for a warning in vain/)
        .and.to.include('no warning came with never sent')
        .and.to.match(/✔ expects its warning/)
        .and.to.match(/✔ is innocent/)
        .and.to.include('in the hooks after "faulty is innocent": process warning: LateWarning: too late for a test');
      expect(code).to.equal(4);
      expect(output.trimEnd().split('\n').at(-1)).to.equal('2 passed, 4 failed, 1 skipped');
    });
  }

  for (const flags of [[], ['--parallel']]) {
    it(`count a skip as a failure where it must have a name ${flags.join()}`, async () => {
      const { code, output } = await run('skipping.ts', flags, { FAIL_ON_SKIPS: '1' });
      expect(output).to.include('skipped, and not in spec/support/named-skips.ts: skipping is left out');
      expect(output).to.include('failed, and was tried again (--retries): skipping is innocent at the second try');
      expect(output.trimEnd().split('\n').at(-1)).to.equal('1 passed, 1 failed, 0 skipped');
      expect(code).to.equal(1);
    });
  }
});
