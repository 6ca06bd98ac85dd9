// One run of a suite, from its first `beforeEach` to `afterAll`: the instances that it uses, and the tests that are under way.
import { SandboxError } from '../words/errors';
import { Attempt, type LeakPolicy } from './attempt';
import { isolate } from './isolate';
import type { Hooked, InstanceIsolation, IsolationKind } from './isolation';
import { type MochaSuite, type MochaTest, wrapTest } from './mocha-test';
import { OpenTests } from './open-tests';
import type { RunningTest } from './running-test';
import { muteAborted } from './unheard';

export interface HooksOptions {
  isolation: IsolationKind;
  leaks: LeakPolicy;
}

export class HooksRun {
  readonly #tests = new OpenTests();
  readonly #isolation: InstanceIsolation;
  readonly #leaks: LeakPolicy;
  readonly #stops: (() => void)[];
  /** How long a hook may take. */
  readonly boundMillis: number;
  /** Of mocha, which has a new one for each run. */
  readonly root: MochaSuite | undefined;

  constructor(instances: Hooked[], { isolation, leaks }: HooksOptions, root: MochaSuite | undefined) {
    this.#isolation = isolate(isolation, instances, !hasFailedHook(root));
    this.#leaks = leaks;
    // A sandbox is closed, and what is outside of it is ended.
    const ends = isolation === 'sandbox' ? 2 : 1;
    const bounds = instances.map(
      ({ instance, lockMillis }) => ends * instance.settings.timeoutMillis + (isolation === 'clean' ? lockMillis : 0),
    );
    this.boundMillis = Math.max(...bounds) + 1000;
    this.root = root;
    this.#stops = [...instances.map(({ instance }) => instance.recording.start()), muteAborted()];
  }

  async begin(test: RunningTest): Promise<void> {
    if (test.atEnd?.askedIn === 'beforeEach') test.atEnd.ask(() => this.#end(test));
    const attempt = await this.#tests.begin(
      test,
      (outer) => outer?.inner(test.title) ?? new Attempt(this.#isolation, this.#leaks, test.title),
    );
    if (test.mocha) wrapTest(test.mocha, attempt);
  }

  /** The hook after a test is called. What is open then has the time that the runner gives the test to end it. */
  async end(test: RunningTest): Promise<void> {
    const { atEnd } = test;
    if (!atEnd || !(await this.#tests.hasOpen(test))) return this.#end(test);
    if (atEnd.askedIn === 'afterEach') atEnd.ask(() => this.#end(test));
  }

  /** A test of mocha has its verdict already, so no hook fails. */
  #end(test: RunningTest): Promise<void> {
    return this.#tests.end(test, (attempt) => (test.mocha ? attempt.discard() : attempt.report()));
  }

  async finish(): Promise<void> {
    try {
      await this.#tests.discardAll();
      await this.#isolation.end();
    } finally {
      for (const stop of this.#stops.splice(0)) stop();
    }
  }
}

/** A `before` hook of mocha's has failed, in this suite or below. */
function hasFailedHook(suite: MochaSuite | undefined): boolean {
  const { _beforeAll: hooks = [], suites = [] } = suite ?? {};
  return hooks.some(({ state }) => state === 'failed') || suites.some(hasFailedHook);
}

/** The root suite of a test of mocha's. */
export function rootOf(test: MochaTest | undefined): MochaSuite | undefined {
  let suite = test?.parent;
  while (suite?.parent) suite = suite.parent;
  return suite;
}

/**
 * Fails a test of mocha that would use another instance than the hooks do: `mocha --watch` loads the tests again, but not what
 * `--require` has loaded.
 */
export function failOutlived(test: MochaTest): void {
  const fail = () => {
    throw new SandboxError(
      'these hooks were made for an earlier run of mocha, and keep its instance, while the tests have loaded another one: ' +
        "give resetHooks() a function that finds the instance of each run, like resetHooks(() => require('./db').db)",
    );
  };
  test.fn = fail;
}
