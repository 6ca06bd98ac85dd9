// Real mocha runs of a project with a root hook file: each test comes out as it should, by its own name, and no hook ever fails.
import { expect } from 'chai';
import { casesOf } from '../support/in-soak';
import { Project, type Run } from './project';

const OWN = ['with a lock held', 'with a query running', 'in a callback'].map((title) => `timeouts ${title}`);

/** Tests that leak, and what has to be in their error. */
const LEAKING: Record<string, (string | RegExp)[]> = {
  'leaks transaction left open': ['1 transaction open', /leaks\.test\.js:\d+/, 'insert into "t" ("id", "note") values'],
  'leaks block left open': ['1 transaction open', 'the label', /leaks\.test\.js:\d+/],
  'leaks query left running': ['1 query running', 'select pg_sleep(10)', /leaks\.test\.js:\d+/],
  'leaks query asked last, on a new connection': ['1 query running', /leaks\.test\.js:\d+/],
  'leaks query left running in a transaction': ['1 transaction open', /leaks\.test\.js:\d+/],
  'a transaction that hooks open and close is none of its leaks': ['1 transaction open', /leaks\.test\.js:\d+/],
  'callbacks done, with a leak': ['1 transaction open', /at leak \(.*mocha\.test\.js:\d+/],
  'retries in vain': ['1 transaction open', /at leak \(.*mocha\.test\.js:\d+/],
};

/** Tests that leak and fail of something else, and what has to be in the warning. */
const FAILING_WITH_LEAK: Record<string, (string | RegExp)[]> = {
  'leaks its own error': ['1 transaction open', /leaks\.test\.js:\d+/],
  'callbacks done with an error': ['1 transaction open', /mocha\.test\.js:\d+/],
  'timeouts with a lock held': ['1 transaction open', 'lock table t', /mocha\.test\.js:\d+/],
  'timeouts with a query running': ['1 query running', 'select pg_sleep(30)', /mocha\.test\.js:\d+/],
  'timeouts in a callback': ['1 transaction open', 'lock table t', /mocha\.test\.js:\d+/],
};

const FAILING: Record<string, string | RegExp> = {
  'leaks its own error': 'its own',
  'leaks its own error, not in a promise': 'its own',
  'callbacks done in an async function': /Resolution method is overspecified/,
  'callbacks done with an error': 'by done',
  'callbacks done with no Error': /non-Error: a string/,
  'callbacks thrown before done': 'thrown',
  'callbacks done twice': /done\(\) called multiple times/,
  ...Object.fromEntries(OWN.map((title) => [title, /^Timeout of 200ms exceeded/])),
};

const PENDING = ['at once', 'later', 'in a callback', 'without a function', 'in a hook of the suite'];

const PASSING = [
  ...['a transaction', 'a block', 'a query', 'another query'].map((what) => `leaks after ${what}`),
  'leaks nothing left',
  'leaks sync',
  'a transaction that hooks open and close is not of the test',
  ...['done', 'done at once', 'done at once in an async function', 'after callbacks'].map(
    (what) => `callbacks ${what}`,
  ),
  'skips after skips',
  ...['until there is no leak', 'ran three times', 'ran twice', 'until done without a leak'].map(
    (what) => `retries ${what}`,
  ),
  'timeouts after timeouts',
  ...[1, 2, 3].flatMap((number) => [`other ${number}`, `yet another ${number}`]),
];

const FILES = ['leaks.test.js', 'mocha.test.js', 'others.test.js', 'yet-others.test.js'];

describe('resetHooks() as a root hook file', () => {
  const project = Project.use('rooted');

  const serial = ['serial', []] as const;
  const parallel = ['parallel', ['--parallel', '--jobs', '2']] as const;
  const runs = {
    reset: casesOf<typeof serial | typeof parallel>(serial, parallel),
    recycle: casesOf<typeof serial | typeof parallel>(serial, parallel),
    sandbox: casesOf<typeof serial | typeof parallel>(parallel, serial),
  };
  for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
    for (const [name, flags] of runs[isolation]) {
      describe(`with isolation '${isolation}', ${name}`, () => {
        let run: Run;
        before(async () => {
          run = await project().mocha({ isolation }, '--require', './hooks.js', ...flags, ...FILES);
        });

        it('fails the tests that leak, by name, with where it was', () => {
          for (const [title, parts] of Object.entries(LEAKING)) {
            const message = run.tests[title];
            expect(message, title).to.be.a('string').that.includes(`"${title}" left `);
            for (const part of parts) expect(message).to.match(typeof part === 'string' ? literal(part) : part);
          }
        });

        it('shows no bindings', () => {
          expect(run.output + JSON.stringify(run.tests)).not.to.include('a secret');
        });

        it('leaves all other tests as they are, and fails no hook', () => {
          const others = Object.entries(run.tests).filter(([title]) => !(title in LEAKING));
          for (const [title, message] of others) {
            const expected = FAILING[title];
            if (expected === undefined) continue;
            expect(message, title).to.match(typeof expected === 'string' ? literal(expected, 'whole') : expected);
          }
          const expected = {
            ...Object.fromEntries(PASSING.map((title) => [title, 'passed'])),
            ...Object.fromEntries(PENDING.map((title) => [`skips ${title}`, 'pending'])),
            ...Object.fromEntries(Object.keys(FAILING).map((title) => [title, 'failed'])),
          };
          const found = others.map(([title, message]) => [
            title,
            title in FAILING && message !== 'passed' ? 'failed' : message,
          ]);
          expect(Object.fromEntries(found)).to.deep.equal(expected);
        });

        it('lets the process end by itself, with nothing left in the database', async () => {
          expect(run.code).to.equal(Object.keys(LEAKING).length + Object.keys(FAILING).length);
          expect(await project().database.backends()).to.be.empty;
          const rows = await project().database.query('select * from t union all select * from worker_0.t');
          expect(rows).to.be.empty;
        });
      });
    }
  }

  describe("with isolation 'sandbox'", () => {
    it('fails a test with the error of its sandbox, and the next one starts clean', async () => {
      const run = await project().mocha({ isolation: 'sandbox' }, '--require', './hooks.js', 'sandboxes.test.js');
      const { tests, code } = run;
      expect(tests['sandboxes constraint violated']).to.include('duplicate key value violates unique constraint');
      expect(tests['sandboxes escaped']).to.match(/"rollback"/);
      // The test keeps its error, and the end of its sandbox, which may have stored rows, is told beside it.
      expect(tests['sandboxes escaped and failed']).to.equal('its own');
      expect(run.suppressed['sandboxes escaped and failed']).to.equal('ERR_SANDBOX');
      expect(run.output).to.match(
        /SandboxWarning: "sandboxes escaped and failed" failed, and so did its sandbox: .*"rollback"/,
      );
      expect(tests['sandboxes reset']).to.match(/reset ended the sandbox/);
      const others = Object.entries(tests).filter(([, outcome]) => outcome === 'passed');
      expect(others.map(([title]) => title)).to.include.members(
        ['a violated constraint', 'an escape', 'a reset'].map((what) => `sandboxes after ${what}`),
      );
      expect(others).to.have.lengthOf(23);
      expect(code).to.equal(4);
      expect(await project().database.query('select * from t')).to.be.empty;
    });
  });

  describe('where a test leaks and fails of something else', () => {
    for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
      it(`keeps the error of the test, and reports the leak beside it (${isolation})`, async () => {
        const run = await project().mocha({ isolation }, '--require', './hooks.js', 'leaks.test.js', 'mocha.test.js');
        const warnings = run.output.split(/\(node:\d+\) /).filter((text) => text.includes('LeakWarning'));
        const named = warnings.map((text) => /LeakWarning: "(.*?)" left/.exec(text)?.[1]);
        expect(named).to.have.members(Object.keys(FAILING_WITH_LEAK));
        for (const [title, parts] of Object.entries(FAILING_WITH_LEAK)) {
          const warning = warnings[named.indexOf(title)];
          for (const part of parts) expect(warning).to.match(typeof part === 'string' ? literal(part) : part);
          expect(run.suppressed[title], title).to.equal('LeakError');
        }
      });
    }
  });

  describe('with leaks', () => {
    for (const isolation of ['reset', 'sandbox'] as const) {
      it(`'warn': warns once for each leaking test, by name (${isolation})`, async () => {
        const run = await project().mocha({ isolation, leaks: 'warn' }, '--require', './hooks.js', 'leaks.test.js');
        const leaking = Object.keys(LEAKING).filter((title) => /^leaks|^a trans/.test(title));
        expect(failuresOf(run)).to.have.members(['leaks its own error', 'leaks its own error, not in a promise']);
        leaking.push('leaks its own error');
        expect(run.output.match(/LeakWarning: "/g)).to.have.lengthOf(leaking.length);
        for (const title of leaking) expect(run.output).to.include(`LeakWarning: "${title}" left`);
      });

      it(`'ignore': says nothing (${isolation})`, async () => {
        const run = await project().mocha({ isolation, leaks: 'ignore' }, '--require', './hooks.js', 'mocha.test.js');
        expect(failuresOf(run)).to.have.members(
          Object.keys(FAILING)
            .filter((title) => !title.startsWith('leaks'))
            .concat(
              // The suite counts on leaks there.
              ['retries ran three times'],
            ),
        );
        expect(run.output).not.to.match(/Warning|left 1/);
      });
    }
  });
});

describe('resetHooks() inside one describe', () => {
  const project = Project.use('in-describe');

  for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
    for (const flags of casesOf<string[]>([], ['--parallel'])) {
      it(`works for its tests, and for no others (${[isolation, ...flags].join(' ')})`, async () => {
        const run = await project().mocha({ isolation }, ...flags, 'hooks.test.js');
        const leaking = ['with hooks leaks', 'with hooks deeper leaks too', 'with hooks of its own leaks as well'];
        expect(failuresOf(run)).to.have.members(leaking);
        expect(run.tests['with hooks leaks']).to.match(/left 1 transaction open\n.*\n {6}at .*hooks\.test\.js:27/);
        expect(run.code).to.equal(leaking.length);
        expect(await project().database.query('select * from t')).to.be.empty;
      });
    }
  }

  for (const isolation of ['reset', 'recycle'] as const) {
    it(`does not end a sandbox that the hooks of an inner describe have opened (${isolation})`, async () => {
      const run = await project().mocha({ isolation }, 'nested.test.js');
      expect(failuresOf(run)).to.have.members(['outer leaks', 'outer inner leaks']);
      expect(run.tests['outer inner leaks']).to.include('left 1 transaction open');
      expect(run.code).to.equal(2);
      expect(await project().database.query('select * from t')).to.be.empty;
    });
  }
});

function failuresOf({ tests }: Run): string[] {
  return Object.keys(tests).filter((title) => !['passed', 'pending'].includes(tests[title] as string));
}

function literal(text: string, whole?: 'whole'): RegExp {
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(whole ? `^${escaped}$` : escaped);
}
