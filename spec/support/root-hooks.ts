// Mocha root hooks: a test fails when an unhandled rejection or a process warning came up while it ran.
import { callbackify } from 'node:util';
import type { AsyncFunc, Context, Done, Func, RootHookObject, Test } from 'mocha';
import { useFastHandles } from '../../lib/knex/fast-handle/fast-handles';
import { leftOpen } from './left-open';
import { startCollecting, stopCollecting, takeProblems } from './process-problems';

export { expectWarning } from './process-problems';

const late: string[] = [];
let previous: Test | undefined;

// The check is wrapped around the test's function, since a root hook that fails would end the whole run.
export const mochaHooks: RootHookObject = {
  beforeAll() {
    // So a run shows that nothing but speed rests on the fast handles.
    if (process.env.KNEX_HANDLES === 'own') useFastHandles(false);
    startCollecting();
  },

  async beforeEach(this: Context) {
    await blame(previous);
    previous = this.currentTest;
    const body = this.currentTest?.fn;
    if (this.currentTest && body)
      this.currentTest.fn = body.length > 0 ? checkedAtDone(body as Func) : checked(body as AsyncFunc);
  },

  async afterAll() {
    await blame(previous);
    previous = undefined;
    late.push(...(await leftOpen()));
    stopCollecting();
    if (late.length > 0) throw new Error(late.splice(0).join('\n'));
  },
};

/** What came up outside the test functions has no test to fail; it fails the run at its end. */
async function blame(test: Test | undefined): Promise<void> {
  const where = test ? `in the hooks after "${test.fullTitle()}"` : 'in the hooks before the first test';
  late.push(...(await takeProblems()).map((problem) => `${where}: ${problem}`));
}

function checked(body: AsyncFunc): AsyncFunc {
  return async function (this: Context) {
    await body.call(this);
    await check();
  };
}

function checkedAtDone(body: Func): Func {
  return function (this: Context, done: Done) {
    body.call(this, (error?: unknown) => {
      if (error) done(error);
      else callbackify(check)(done);
    });
  };
}

async function check(): Promise<void> {
  const found = await takeProblems();
  if (found.length > 0) throw new Error(found.join('\n'));
}
