// The entry point `knex-reset/mocha`: hooks that give each test clean connections or clean data, and name the test that leaks.
import type { Knex } from 'knex';
import { checkEmptying, emptyTablesOf, type EmptyTablesOptions, lockMillisOf } from './empty-tables/empty-tables';
import { isArray } from './words/describe';
import { read } from './words/foreign';
import { callable, checkOptions, names, oneOf } from './words/options';
import { registeredOf } from './registry';
import { nestSandbox } from './sandbox/sandbox';
import type { LeakPolicy } from './test-hooks/attempt';
import { failOutlived, HooksRun, rootOf } from './test-hooks/hooks-run';
import type { Hooked, IsolationKind } from './test-hooks/isolation';
import type { MochaContext } from './test-hooks/mocha-test';
import { type HookThis, runningTest } from './test-hooks/running-test';
import { captureCallSite } from './words/call-site';
import type { Resettable, Sandbox } from './words/types';

/**
 * Options of `resetHooks()`.
 * @see docs/tests.md#options
 */
export interface ResetHooksOptions {
  /**
   * What each test starts with. `'reset'`: no connection. `'recycle'`: cleaned connections. `'sandbox'`: a transaction that is rolled back.
   * `'clean'`: cleaned connections and empty tables, as `emptyTables()` leaves them.
   * @default 'reset'
   */
  isolation?: IsolationKind | undefined;
  /**
   * What happens to a test that leaves a transaction open or a query running. `'warn'` emits a process warning.
   * @default 'fail'
   */
  leaks?: LeakPolicy | undefined;
  /**
   * With `isolation: 'clean'`: tables that stay as they are. Each must exist. knex's own tables stay anyway.
   * @default none
   */
  except?: string[] | undefined;
}

/**
 * A mocha root hook plugin. Each function also works by itself, in a `describe` or in another runner.
 * @see docs/tests.md#options
 */
export interface ResetHooks {
  /**
   * Resets the connections, empties the tables, or opens a sandbox.
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
   * Destroys the instance, so that the runner can exit. It opens again where it is asked.
   * @example
   * after(hooks.afterAll);
   */
  afterAll: (this: unknown) => Promise<void>;
}

/**
 * Makes the hooks of a test suite. Each test starts clean. A test that leaves a transaction open or a query running fails by name.
 * While the hooks are active, the place where each query is asked is recorded.
 *
 * A test inside a test (node:test) has a savepoint in the outer one's sandbox. A test that begins while another one runs fails with a
 * `SandboxError`. Hooks that outlive a run (`mocha --watch` with `--require`) need a function that finds the instance of each run.
 *
 * Under mocha a sandbox is closed when the function of the test has ended, before the `afterEach` hooks of the suite.
 *
 * @example
 * export const mochaHooks = resetHooks(db, { isolation: 'sandbox' });
 *
 * @throws TypeError for anything but a resettable instance, and for bad options
 * @see docs/tests.md
 */
export function resetHooks<K extends Knex>(db: HookedBy<K & Resettable>, options?: ResetHooksOptions): ResetHooks {
  const checked = checkOptions<ResetHooksOptions>('resetHooks', options, {
    isolation: oneOf('reset', 'recycle', 'sandbox', 'clean'),
    leaks: oneOf('fail', 'warn', 'ignore'),
    except: names,
  });
  const { isolation = 'reset', leaks = 'fail', except } = checked;
  if (except && isolation !== 'clean') refuseExcept(isolation);
  const find = finder(db, isolation === 'clean' ? { except } : undefined);
  let run: HooksRun | undefined;
  /** Of the first run, where one run is all that the instance is good for. */
  let onlyRoot: object | undefined;

  // No parameters: what runners make of them differs.
  return {
    async beforeEach(this: HookThis) {
      const test = runningTest(this, arguments[0]);
      const root = rootOf(test.mocha);
      // A worker of `mocha --parallel` has a root for each file, and the same modules in all.
      if (!isSupplier(db) && process.env.MOCHA_WORKER_ID === undefined) onlyRoot ??= root;
      if (test.mocha && onlyRoot && root !== onlyRoot) return failOutlived(test.mocha);
      if (run && run.root !== root) {
        // It was broken off.
        await run.finish();
        run = undefined;
      }
      run ??= new HooksRun(find(), { isolation, leaks }, root);
      allowTime(this, run.boundMillis);
      await run.begin(test);
    },

    async afterEach(this: HookThis) {
      if (!run) return;
      allowTime(this, run.boundMillis);
      await run.end(runningTest(this, arguments[0]));
    },

    async afterAll(this: HookThis) {
      const ending = run ?? new HooksRun(find(), { isolation, leaks }, undefined);
      run = undefined;
      allowTime(this, ending.boundMillis);
      await ending.finish();
    },
  };
}

function refuseExcept(isolation: IsolationKind): never {
  throw new TypeError(`resetHooks: except works with isolation 'clean' only, but isolation is '${isolation}'`);
}

/** What hooks are made for: an instance, several, or what finds them at each run. */
type HookedBy<I> = I | readonly I[] | (() => I | readonly I[]);

function isSupplier<I>(db: HookedBy<I>): db is () => I | readonly I[] {
  return callable.accepts(db) && read(db, 'client') === undefined;
}

/** Finds the instances of a run. Those that are given are checked now, those of a function at each run. */
function finder<K extends Knex>(db: HookedBy<K & Resettable>, clean: EmptyTablesOptions | undefined): () => Hooked[] {
  if (isSupplier(db)) return () => hooked(db(), clean);
  const instances = hooked(db, clean);
  return () => instances;
}

function hooked<K extends Knex>(
  given: (K & Resettable) | readonly (K & Resettable)[],
  clean: EmptyTablesOptions | undefined,
): Hooked[] {
  const list = isArray(given) ? given : [given];
  if (list.length === 0) throw new TypeError('resetHooks: expected one instance or more, but was given an empty array');
  const byInstance = new Map<object, Hooked>();
  for (const db of list as (K & Resettable)[]) {
    const instance = registeredOf('resetHooks', db);
    if (clean) checkEmptying("resetHooks with isolation 'clean'", db);
    const nest = (outer: Sandbox) => nestSandbox(instance, outer, captureCallSite(nest));
    // A copy is the same instance.
    byInstance.set(instance, {
      db: db as unknown as Knex & Resettable,
      instance,
      lockMillis: lockMillisOf(db),
      emptyTables: () => emptyTablesOf(db, clean, false),
      nestSandbox: nest,
    });
  }
  return [...byInstance.values()];
}

/** Mocha gives a hook two seconds, and gives up the suite after it; to get rid of a server that does not answer takes longer. */
function allowTime(context: HookThis, millis: number): void {
  const mocha = (context ?? {}) as MochaContext;
  if (typeof mocha.timeout !== 'function' || typeof mocha.runnable !== 'function') return;
  const given = mocha.timeout() as number;
  if (given > 0 && given < millis) mocha.timeout(millis);
}
