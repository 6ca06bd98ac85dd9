// `mocha --watch` with root hooks that `--require` has loaded: those outlive a run, while the tests load their instance anew for each.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { until } from '../support/until';
import { Project } from './project';

const END_OF_RUN = /\d+ passing/g;

describe('resetHooks() under mocha --watch, required as root hooks', () => {
  const project = Project.use('watch');

  /** The output of three runs. */
  async function threeRuns(hooks: string): Promise<string[]> {
    const { PATH, HOME } = process.env;
    const args = [
      require.resolve('mocha/bin/mocha.js'),
      '--no-config',
      '--watch',
      '--require',
      hooks,
      'stores.test.js',
    ];
    const child = spawn(process.execPath, args, {
      cwd: project().folder,
      env: { PATH, HOME, APP_DATABASE_URL: project().database.url },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ended = once(child, 'exit');
    let output = '';
    const keep = (text: string) => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    try {
      const ends: number[] = [];
      for (let run = 1; run <= 3; run++) {
        if (run > 1) child.stdin.write('rs\n');
        await until(`run ${run} is over:\n${output}`, () => [...output.matchAll(END_OF_RUN)].length === run, {
          timeoutMillis: 20_000,
        });
        await until('it says that it waits', () => output.slice(ends.at(-1) ?? 0).includes('waiting for changes'), {
          timeoutMillis: 20_000,
        });
        ends.push(output.length);
      }
      return ends.map((end, i) => output.slice(ends[i - 1] ?? 0, end));
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  }

  afterEach(async () => {
    expect(await project().database.query('select * from t')).to.be.empty;
  });

  it('sandboxes the tests of each run, with a function', async () => {
    for (const output of await threeRuns('./function.js'))
      expect(output)
        .to.match(/2 passing/)
        .and.not.to.match(/failing/);
  });

  it('fails the tests of the second run, with an instance, and says what to do', async () => {
    const [first, ...others] = await threeRuns('./instance.js');
    expect(first)
      .to.match(/2 passing/)
      .and.not.to.match(/failing/);
    for (const output of others) {
      expect(output).to.match(/0 passing[^]*2 failing/);
      expect(output).to.match(
        /1\) a suite that is watched\s+stores a row once:\s+SandboxError: .*resetHooks\(\(\) => require/,
      );
    }
  });
});
