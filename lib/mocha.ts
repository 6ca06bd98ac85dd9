// The entry point `knex-reset/mocha`: hooks that give each test clean connections or clean data, and name the test that leaks.
import type { Knex } from 'knex';
import { checkOptions, oneOf } from './words/options';
import { registeredOf } from './registry';
import { Attempt, type LeakPolicy } from './test-hooks/attempt';
import { isolate, type IsolationKind } from './test-hooks/isolation';
import { type MochaContext, type MochaTest, wrapTest } from './test-hooks/mocha-test';
import { type HookThis, titleOf } from './test-hooks/title';
import { muteAborted } from './test-hooks/unheard';
import type { Resettable } from './words/types';

/**
 * Options of `resetHooks()`.
 * @see docs/tests.md#options
 */
export interface ResetHooksOptions {
  /**
   * What each test starts with. `'reset'`: no connection. `'recycle'`: cleaned connections. `'sandbox'`: a transaction that is rolled back.
   * @default 'reset'
   */
  isolation?: IsolationKind | undefined;
  /**
   * What happens to a test that leaves a transaction open or a query running. `'warn'` emits a process warning.
   * @default 'fail'
   */
  leaks?: LeakPolicy | undefined;
}

/**
 * A mocha root hook plugin. Each function also works by itself, in a `describe` or in another runner.
 * @see docs/tests.md#options
 */
export interface ResetHooks {
  /**
   * Resets the connections, or opens a sandbox.
   * @example
   * beforeEach(hooks.beforeEach);
   */
  beforeEach: (this: unknown) => Promise<void>;
  /**
   * Closes the sandbox. Throws for a leak, except under mocha, where the test itself fails.
   * @example
   * afterEach(hooks.afterEach);
   */
  afterEach: (this: unknown) => Promise<void>;
  /**
   * Destroys the instance, so that the runner can exit.
   * @example
   * after(hooks.afterAll);
   */
  afterAll: (this: unknown) => Promise<void>;
}

/**
 * Makes the hooks of a test suite. Each test starts clean. A test that leaves a transaction open or a query running fails by name.
 * While the hooks are active, the place where each query is asked is recorded.
 *
 * Under mocha a sandbox is closed when the function of the test has ended, before the `afterEach` hooks of the suite.
 *
 * @example
 * export const mochaHooks = resetHooks(db, { isolation: 'sandbox' });
 *
 * @throws TypeError for anything but a resettable instance, and for bad options
 * @see docs/tests.md
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
