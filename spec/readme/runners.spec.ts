// That the recipes for test runners work as docs/tests.md shows them: the files of examples/runners, run by their runners. vitest, jest and
// ava are installed for it with RUNNERS=1, which takes the network.
import path from 'node:path';
import { expect } from 'chai';
import { Project, whyNoRunners } from '../mocha/project';
import { itUnless } from '../support/unless';
import { ROOT } from './readme-text';

const VERSIONS = { vitest: '4.1.12', jest: '30.5.2', ava: '6.4.1' };
const LEAK = /leaks" left 1 transaction open/;
/** An ordinary role creates no databases. */
const RUNNERS: Record<string, { args: string[]; prints: RegExp[]; createsDatabases?: boolean }> = {
  'node:test': { args: ['--test', '--test-reporter=tap', 'node.test.mjs'], prints: [/# pass 2\n# fail 1\n/, LEAK] },
  vitest: {
    args: ['node_modules/vitest/vitest.mjs', 'run', 'vitest.test.mjs'],
    prints: [/Tests +1 failed \| 2 passed \(3\)/, LEAK],
  },
  'node:test, concurrent tests': {
    args: ['--test', '--test-reporter=tap', 'node.concurrent.test.mjs'],
    prints: [/# pass 2\n# fail 0\n/],
  },
  'vitest, concurrent tests': {
    args: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.around.config.mjs', 'vitest.around.test.mjs'],
    prints: [/Tests +2 passed \(2\)/],
  },
  jest: {
    args: ['node_modules/jest/bin/jest.js', 'jest.test.js'],
    prints: [/Tests: +1 failed, 2 passed, 3 total/, LEAK],
  },
  'jest, parallel workers': {
    args: ['node_modules/jest/bin/jest.js', '--maxWorkers=2', 'jest.worker-'],
    prints: [/Test Suites: 2 passed, 2 total\nTests: +4 passed, 4 total/],
    createsDatabases: true,
  },
  ava: { args: ['node_modules/ava/entrypoints/cli.mjs', 'ava.test.mjs'], prints: [/2 tests passed/] },
};

describe('the recipes for test runners', () => {
  const project = Project.use(
    path.relative(path.join(ROOT, 'spec', 'mocha', 'projects'), path.join(ROOT, 'examples', 'runners')),
  );

  before(async function () {
    await project().database.query('create table orders (id serial primary key, item text not null)');
    await project().installRunners(this, VERSIONS);
  });

  for (const [runner, { args, prints, createsDatabases }] of Object.entries(RUNNERS)) {
    const reason = (runner.split(',')[0] as string) in VERSIONS ? whyNoRunners() : undefined;
    itUnless(reason, runner, async () => {
      const url = createsDatabases ? process.env.DATABASE_URL : project().database.url;
      const { output } = await project().node(args, { DATABASE_URL: url, NO_COLOR: '1' });
      for (const text of prints) expect(output).to.match(text);
      expect(await project().database.backends()).to.be.empty;
      expect(await project().database.query('select * from orders')).to.be.empty;
    });
  }
});
