// Hooks for a test inside a test, and for tests that overlap, in runs of real runners: no test loses its sandbox to another.
// vitest and ava are installed for the run with RUNNERS=1, which takes the network.
import { expect } from 'chai';
import { itUnless } from '../support/unless';
import { Project, whyNoRunners } from './project';

const VERSIONS: Record<string, string> = { vitest: '4.1.12', ava: '6.4.1' };
const OVERLAPPING: Record<string, { args: string[]; totals: RegExp }> = {
  'node:test': { args: ['--test', '--test-reporter=tap', 'overlapping.node.js'], totals: /# pass [12]\n# fail [23]\n/ },
  vitest: {
    args: ['node_modules/vitest/vitest.mjs', 'run', 'overlapping.vitest.test.mjs'],
    totals: /Tests +2 failed \| 2 passed \(4\)/,
  },
  ava: {
    args: ['node_modules/ava/entrypoints/cli.mjs', 'overlapping.ava.mjs'],
    totals: /concurrent 1[^]*2 hooks failed/,
  },
};

describe('resetHooks() for tests at the same time', () => {
  const project = Project.use('at-once');

  before(async function () {
    await project().installRunners(this, VERSIONS);
  });

  afterEach(async () => {
    expect(await project().database.backends()).to.be.empty;
    expect(await project().database.query('select * from t')).to.be.empty;
  });

  for (const isolation of ['sandbox', 'reset', 'recycle']) {
    it(`a test inside a test of node:test keeps the outer one's ${isolation}, and fails by itself`, async () => {
      const env = { HOOKS: JSON.stringify({ isolation }) };
      const { output } = await project().node(['--test', '--test-reporter=tap', 'nested.js'], env);
      expect(output)
        .to.match(/ok \d+ - innermost/)
        .and.to.match(/^ok \d+ - the next one starts clean/m);
      expect(output).to.match(/ {4}ok \d+ - inner\n/);
      expect(output).to.match(/not ok \d+ - inner that leaks[^]*?outer > inner that leaks" left 1 transaction open/);
      expect(output).to.match(/not ok \d+ - inner that fails[^]*?as it should/);
      // The outer one fails for those inside it, and for nothing else.
      expect(output).to.match(/^not ok \d+ - outer[^]*?2 subtests failed/m);
    });
  }

  it('names with " > " are not taken for a test inside a test of node:test', async () => {
    const env = { HOOKS: JSON.stringify({ isolation: 'sandbox' }) };
    const { output } = await project().node(['--test', '--test-reporter=tap', 'names.node.js'], env);
    expect(output).to.match(/ {4}ok \d+ - price > 100\n/);
    expect(output).to.match(/not ok \d+ - total > 0[^]*?SandboxError/);
    expect(output).to.match(/at once > total > 0" begins while "at once > total" runs/);
    // node:test may fail both for what a hook of one of them throws.
    expect(output).to.match(/# pass [12]\n# fail [23]\n/);
  });

  for (const isolation of ['sandbox', 'reset', 'recycle']) {
    itUnless(
      whyNoRunners(),
      `files of vitest that share their modules go on after each other (${isolation})`,
      async () => {
        const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'shared/vitest.config.mjs'];
        const { output, code } = await project().node(args, { HOOKS: JSON.stringify({ isolation }), NO_COLOR: '1' });
        expect(output).to.match(/Tests +6 passed \(6\)/);
        expect(code).to.equal(0);
      },
    );
  }

  for (const [runner, { args, totals }] of Object.entries(OVERLAPPING)) {
    for (const isolation of ['sandbox', 'reset']) {
      const reason = runner in VERSIONS ? whyNoRunners() : undefined;
      itUnless(
        reason,
        `tests of ${runner} that overlap fail, but the first, with the way to go (${isolation})`,
        async () => {
          const { output } = await project().node(args, { HOOKS: JSON.stringify({ isolation }), NO_COLOR: '1' });
          expect(output).to.match(totals);
          expect(output)
            .to.match(/SandboxError/)
            .and.to.match(/db\.sandbox\(body\)/)
            .and.to.match(/sandbox\.run/);
          expect(output).to.match(/concurrent [23]" begins while ".*concurrent 1" runs/);
        },
      );
    }
  }
});
