// Other runners: the same three functions, where afterEach throws for a test that leaks; methods as hooks by the runners' types; workers in parallel. vitest and jest are installed for the run with
// RUNNERS=1, which takes the network.
import fs from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import { itUnless } from '../support/unless';
import { Project, whyNoRunners } from './project';

const CHECKOUT = path.resolve(__dirname, '..', '..');
const VERSIONS = { vitest: '4.1.12', jest: '30.5.2' };
const RUNNERS: Record<string, { args: string[]; totals: RegExp }> = {
  'node:test': { args: ['--test', '--test-reporter=tap', 'node-test.js'], totals: /# pass 2\n# fail 2\n/ },
  vitest: {
    args: ['node_modules/vitest/vitest.mjs', 'run', 'vitest.spec.mjs'],
    totals: /Tests +2 failed \| 2 passed \(4\)/,
  },
  jest: { args: ['node_modules/jest/bin/jest.js', 'jest.test.js'], totals: /Tests: +2 failed, 2 passed, 4 total/ },
};

const FILES = [1, 2, 3, 4];
/** What a test file of each is copied from and called, and how it runs four of them in parallel. */
const PARALLEL: Record<string, { source: string; named: string; args: string[]; totals: RegExp }> = {
  mocha: {
    source: 'globals.js',
    named: 'mocha.js',
    args: [
      require.resolve('mocha/bin/mocha.js'),
      '--no-config',
      '--parallel',
      '--jobs',
      '2',
      '--timeout',
      '30000',
      'copies/*.mocha.js',
    ],
    totals: /4 passing/,
  },
  'node:test': {
    source: 'node.js',
    named: 'node.js',
    args: ['--test', '--test-concurrency=2', '--test-reporter=tap', ...FILES.map((id) => `copies/${id}.node.js`)],
    totals: /# pass 4\n# fail 0\n/,
  },
  vitest: {
    source: 'vitest.mjs',
    named: 'vitest.spec.mjs',
    args: [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--maxWorkers=2',
      '--testTimeout=30000',
      ...FILES.map((id) => `copies/${id}.vitest.spec.mjs`),
    ],
    totals: /Tests +4 passed \(4\)/,
  },
  jest: {
    source: 'globals.js',
    named: 'jest.js',
    args: [
      'node_modules/jest/bin/jest.js',
      '--maxWorkers=2',
      '--testTimeout=30000',
      '--testMatch',
      '**/copies/*.jest.js',
    ],
    totals: /Tests: +4 passed, 4 total/,
  },
};

/** Where the hooks of each come from, and the types of the globals where it has some. */
const TYPES: Record<string, { hooks: string; types: string[] }> = {
  mocha: { hooks: '', types: ['mocha'] },
  'node:test': { hooks: "import { afterEach, beforeEach } from 'node:test';", types: [] },
  vitest: { hooks: "import { afterEach, beforeEach } from 'vitest';", types: [] },
  jest: { hooks: "import { afterEach, beforeEach } from '@jest/globals';", types: [] },
};

const whyNot = (runner: string) => (runner in VERSIONS ? whyNoRunners() : undefined);

describe('other runners', () => {
  const project = Project.use('runners');

  before(async function () {
    await project().installRunners(this, VERSIONS);
  });

  for (const [runner, { args, totals }] of Object.entries(RUNNERS)) {
    for (const isolation of ['reset', 'sandbox']) {
      itUnless(whyNot(runner), `run resetHooks(): ${runner}, with isolation '${isolation}'`, async () => {
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

  for (const isolation of ['sandbox', 'reset']) {
    it(`name what a test left running, where nobody handles its rejection: node:test, with isolation '${isolation}'`, async () => {
      const args = ['--test', '--test-reporter=tap', 'left-running.node.js'];
      const { output } = await project().node(args, { HOOKS: JSON.stringify({ isolation }) });
      expect(output)
        .to.match(/"leaves a query" left 1 query running[^"]*left-running\.node\.js:13:/)
        .and.to.match(/"leaves a query in a transaction" left 1 transaction open[^"]*left-running\.node\.js:17:/);
      expect(output).not.to.include('57014');
      expect(output).to.match(/^ok \d - is innocent/m);
    });
  }

  describe('with workers in parallel, on one server', () => {
    before(async () => {
      const { observer, name } = project().database;
      await observer.query(`alter role ${name} createdb`);
      await fs.mkdir(path.join(project().folder, 'copies'));
    });

    const lines = async (file: string) => {
      const text = await fs.readFile(path.join(project().folder, file), 'utf8');
      return text.split('\n').filter(Boolean);
    };

    for (const [runner, { source, named, args, totals }] of Object.entries(PARALLEL)) {
      itUnless(whyNot(runner), `give each a database of its own by workerDatabase(): ${runner}`, async function () {
        this.timeout(60_000);
        const { folder, database } = project();
        const text = await fs.readFile(path.join(folder, 'workers', source), 'utf8');
        for (const id of FILES) {
          await fs.writeFile(path.join(folder, 'copies', `${id}.${named}`), text.replaceAll('./db', '../workers/db'));
        }
        for (const log of ['clones.log', 'orders.log']) await fs.rm(path.join(folder, log), { force: true });
        const { output, code } = await project().node(args, { NO_COLOR: '1' });
        expect(output).to.match(totals);
        expect(code).to.equal(0);
        expect(new Set(await lines('clones.log')).size).to.be.greaterThan(1);
        // Once for all four runners.
        expect(await lines('prepared.log')).to.have.lengthOf(1);
        const mine = await lines('clones.log');
        const { rows } = await database.observer.query<{ datname: string }>(
          "select datname from pg_database where pg_get_userbyid(datdba) = $1 and datname ~ '_[0-9]+_[0-9a-f]{8}$' and datname <> $1",
          [database.name],
        );
        // The clones of the runner before are dropped.
        expect(mine).to.include.members(rows.map(({ datname }) => datname));
      });
    }
  });

  for (const [runner, { hooks, types }] of Object.entries(TYPES)) {
    itUnless(whyNot(runner), `take resetConnection and openSandbox as hooks by their types: ${runner}`, async () => {
      expect(await compile(hooks, types)).to.equal('');
    });
  }

  /** What tsc has to say of hooks by the types of a runner. */
  async function compile(hooks: string, types: string[]): Promise<string> {
    const { folder } = project();
    await fs.writeFile(
      path.join(folder, 'hooks.ts'),
      `import knex from 'knex';
      import { resettable } from 'knex-reset';
      ${hooks}
      const db = resettable(knex({ client: 'pg', connection: {} }));
      beforeEach(db.resetConnection);
      afterEach(db.resetConnection);
      beforeEach(db.openSandbox);
      void db.resetConnection({ graceMillis: 1 });
      void db.openSandbox({ checkConstraints: false });
      // @ts-expect-error
      void db.resetConnection({ gracMillis: 1 });
      // @ts-expect-error
      void db.resetConnection({ graceMillis: 'long' });
      // @ts-expect-error
      void db.openSandbox({ checkConstraint: true });
      `,
    );
    const config = {
      extends: path.join(CHECKOUT, 'tsconfig.json'),
      compilerOptions: {
        types: ['node', ...types],
        typeRoots: [path.join(CHECKOUT, 'node_modules', '@types')],
        paths: { 'knex-reset': [path.join(CHECKOUT, 'lib', 'index.ts')] },
      },
      include: ['hooks.ts'],
    };
    await fs.writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = path.join(CHECKOUT, 'node_modules', '.bin', 'tsc');
    const { output } = await project().node([await fs.realpath(tsc), '-p', folder]);
    return output;
  }
});
