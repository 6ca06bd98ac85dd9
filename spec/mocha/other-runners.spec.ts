// The same three functions in other runners: there afterEach throws for a test that leaks. vitest and jest are installed for the run with
// RUNNERS=1, which takes the network.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Project } from './project';

const VERSIONS = { vitest: '4.1.12', jest: '30.5.2' };
const RUNNERS: Record<string, { args: string[]; totals: RegExp }> = {
  'node:test': { args: ['--test', '--test-reporter=tap', 'node-test.js'], totals: /# pass 2\n# fail 2\n/ },
  vitest: {
    args: ['node_modules/vitest/vitest.mjs', 'run', 'vitest.spec.mjs'],
    totals: /Tests +2 failed \| 2 passed \(4\)/,
  },
  jest: { args: ['node_modules/jest/bin/jest.js', 'jest.test.js'], totals: /Tests: +2 failed, 2 passed, 4 total/ },
};

describe('resetHooks() in other runners', () => {
  const project = Project.use('runners');

  before(async function () {
    if (!process.env.RUNNERS) return;
    this.timeout(300_000);
    const packages = Object.entries(VERSIONS).map(([name, version]) => `${name}@${version}`);
    // npm install clears what it did not install itself: the links of the project.
    const flags = ['--prefix', project().folder, '--no-audit', '--no-fund', '--no-save'];
    await promisify(execFile)('npm', ['install', ...flags, ...packages], { cwd: project().folder });
    await project().install();
  });

  for (const [runner, { args, totals }] of Object.entries(RUNNERS)) {
    for (const isolation of ['reset', 'sandbox']) {
      const condition = runner in VERSIONS ? ' (with RUNNERS=1, as in CI: installed by the spec itself)' : '';
      it(`${runner}, with isolation '${isolation}'${condition}`, async function () {
        if (runner in VERSIONS && !process.env.RUNNERS) this.skip();
        const { output, code } = await project().node(args, { HOOKS: JSON.stringify({ isolation }), NO_COLOR: '1' });
        expect(output).to.match(totals);
        expect(output).to.match(/suite\W+leaks a transaction" left 1 transaction open/);
        expect(output).to.match(/suite\W+leaks a query" left 1 query running/);
        expect(output)
          .to.match(/suite\.js:20:/)
          .and.to.match(/suite\.js:25:/);
        expect(code).to.equal(1);
        expect(await project().database.backends()).to.be.empty;
      });
    }
  }
});
