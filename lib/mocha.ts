// The entry point `knex-reset/mocha`: hooks that give every test a clean connection or a clean database, and name the test that made a mess.
import type { Knex } from 'knex';
import { checkOptions, oneOf } from './words/options';
import { registeredOf } from './registry';
import { Attempt, type LeakPolicy } from './test-hooks/attempt';
import { isolate, type IsolationKind } from './test-hooks/isolation';
import { type MochaContext, type MochaTest, wrapTest } from './test-hooks/mocha-test';
import { type HookThis, titleOf } from './test-hooks/title';
import { muteAborted } from './test-hooks/unheard';
import type { Resettable } from './words/types';

export interface ResetHooksOptions {
  /**
   * What each test begins with: `'reset'` new connections, `'recycle'` washed ones, `'sandbox'` a transaction that is rolled back.
   * @default 'reset'
   */
  isolation?: IsolationKind | undefined;
  /**
   * What becomes of a test that leaves a transaction open or a query running.
   * @default 'fail'
   */
  leaks?: LeakPolicy | undefined;
}

/** A mocha root hook plugin; each function also works by itself, in a `describe` or in another runner. */
export interface ResetHooks {
  beforeEach: (this: unknown) => Promise<void>;
  afterEach: (this: unknown) => Promise<void>;
  afterAll: (this: unknown) => Promise<void>;
}

/**
 * Makes the hooks of a test suite. `beforeEach` resets the connections or opens a sandbox; a test that leaves a transaction open or a
 * query running fails itself under mocha (whose hooks never fail for it), and makes `afterEach` throw under other runners; `afterAll`
 * destroys the instance, so that the process can end. Between the first and the last of them it is recorded where queries are asked.
 *
 * Under mocha a sandbox is closed when the test's function is done, before the `afterEach` hooks of the suite.
 *
 * @throws TypeError for anything but a resettable instance, and for bad options
 */
export function resetHooks<K extends Knex>(db: K & Resettable, options?: ResetHooksOptions): ResetHooks {
  const { instance, recording } = registeredOf('resetHooks', db);
  const { isolation: kind = 'reset', leaks = 'fail' } = checkOptions<ResetHooksOptions>('resetHooks', options, {
    isolation: oneOf('reset', 'recycle', 'sandbox'),
    leaks: oneOf('fail', 'warn', 'ignore'),
  });
  const isolation = isolate(kind, db as unknown as Knex & Resettable, instance);
  const boundMillis = instance.settings.timeoutMillis + 1000;
  let stops: (() => void)[] = [];
  let attempt: Attempt | undefined;

  // No parameters: what runners make of them differs.
  return {
    async beforeEach(this: HookThis) {
      allowTime(this, boundMillis);
      if (stops.length === 0) stops = [recording.start(), muteAborted()];
      await attempt?.discard();
      await isolation.open();
      attempt = new Attempt(isolation, leaks, titleOf(this, arguments[0]));
      const test = testOf(this);
      if (test) wrapTest(test, attempt);
    },

    async afterEach(this: HookThis) {
      allowTime(this, boundMillis);
      const ended = attempt;
      attempt = undefined;
      if (testOf(this)) await ended?.discard();
      else await ended?.report();
    },

    async afterAll(this: HookThis) {
      allowTime(this, boundMillis);
      await attempt?.discard();
      attempt = undefined;
      await isolation.end();
      for (const stop of stops.splice(0)) stop();
      // A worker of `mocha --parallel` goes on to another file with the same instance.
      if (process.env.MOCHA_WORKER_ID !== undefined) db.initialize();
    },
  };
}

function testOf(context: HookThis): MochaTest | undefined {
  const test = (context as MochaContext | undefined)?.currentTest;
  return typeof test?.fullTitle === 'function' ? test : undefined;
}

/** Mocha gives a hook two seconds, and gives up the suite after it; to get rid of a server that does not answer takes longer. */
function allowTime(context: HookThis, millis: number): void {
  const mocha = (context ?? {}) as MochaContext;
  if (typeof mocha.timeout !== 'function' || typeof mocha.runnable !== 'function') return;
  const given = mocha.timeout() as number;
  if (given > 0 && given < millis) mocha.timeout(millis);
}
