// What a test ends itself after the hooks after each test is no leak, where the runner has a moment for that; and what a suite holds
// from before a test to after it is not the test's.
import { expect } from 'chai';
import { itUnless } from '../support/unless';
import { Project, whyNoRunners } from './project';

const VERSIONS = { vitest: '4.1.12', jest: '30.5.2' };

describe('what is ended after a test', () => {
  const project = Project.use('own-end');

  before(async function () {
    await project().installRunners(this, VERSIONS);
  });

  for (const isolation of ['sandbox', 'reset', 'recycle']) {
    const hooks = { HOOKS: JSON.stringify({ isolation }), NO_COLOR: '1' };

    it(`by t.after() is no leak of a test of node:test (${isolation})`, async () => {
      const { output } = await project().node(['--test', '--test-reporter=tap', 'end.node.js'], hooks);
      for (const name of ['ends a transaction', 'gives a connection back', 'inner that ends a transaction', 'a suite'])
        expect(output).to.match(new RegExp(`^ *ok \\d - ${name}`, 'm'));
      expect(output).to.match(/not ok \d - leaks\n[^]*?"leaks" left 1 transaction open/);
      expect(output).to.match(/not ok \d - inner that leaks\n[^]*?"has others inside > inner that leaks" left 1 trans/);
      expect(output).to.match(/not ok \d - throws and leaks\n[^]*?error: 'its own'/);
      expect(output).to.match(/^not ok \d - has others inside[^]*?1 subtest failed/m);
      expect(output).to.match(/# pass 5\n# fail 4\n/);
    });

    itUnless(
      whyNoRunners(),
      `by a fixture or onTestFinished() is no leak of a test of vitest (${isolation})`,
      async () => {
        for (const order of ['stack', 'list', 'parallel']) {
          const args = ['node_modules/vitest/vitest.mjs', 'run', 'end.vitest.spec.mjs', `--sequence.hooks=${order}`];
          const { output } = await project().node(args, hooks);
          expect(output, order).to.match(/Tests +1 failed \| 6 passed \(7\)/);
          expect(output).to.match(/"leaks" left 1 transaction open/);
        }
      },
    );

    itUnless(
      whyNoRunners(),
      `by an aroundEach of vitest’s is a leak, and that of an auto fixture has been ended (${isolation})`,
      async () => {
        const args = ['node_modules/vitest/vitest.mjs', 'run', 'early.vitest.spec.mjs'];
        const { output } = await project().node(args, hooks);
        expect(output).to.match(/Tests +1 failed \| 1 passed \(2\)/);
        expect(output).to.match(/ends it too late" left 1 transaction open/, output);
      },
    );

    itUnless(
      whyNoRunners(),
      `by a hook of jest’s is no leak, but by one that is registered later at the top (${isolation})`,
      async () => {
        const args = ['node_modules/jest/bin/jest.js', 'end.jest.test.js'];
        const before = await project().node(args, { ...hooks, END: 'before' });
        expect(before.output).to.match(/Tests: +2 passed, 2 total/);
        const after = await project().node(args, { ...hooks, END: 'after' });
        expect(after.output).to.match(/Tests: +1 failed, 1 passed, 2 total/);
        expect(after.output).to.include('"opens it at the top" left 1 transaction open');
      },
    );

    it(`by a hook of mocha’s suite, and was there before, is not the test’s (${isolation})`, async () => {
      const { tests } = await project().mocha({ isolation }, 'held.mocha.js');
      expect(tests).to.have.property('a connection is held', 'passed');
      expect(tests['a connection is held, and another one leaks']).to.include('left 1 query running');
      expect(tests['a connection is held, and has a query that goes on'])
        .to.include('left 1 query running')
        .and.to.include('pg_sleep');
    });
  }
});
