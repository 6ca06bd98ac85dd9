// A mocha test whose function ends with the verdict on what it left behind, so that the test fails and no hook does.
import { throwLater } from '../words/foreign';
import type { Attempt } from './attempt';

type Done = (error?: unknown) => void;
type TestFunction = (this: unknown, done: Done) => unknown;

/** The parts of mocha's test that are used here. */
export interface MochaTest {
  fn?: TestFunction;
  /** Set while it runs: what mocha gives it up with. */
  callback?: Done;
  timedOut?: boolean;
  asyncOnly?: boolean;
  /** It was skipped, maybe while it ran: what it throws then is no failure. */
  pending?: boolean;
  parent?: MochaSuite;
  fullTitle(): string;
}

export interface MochaSuite {
  parent?: MochaSuite;
  suites?: MochaSuite[];
  _beforeAll?: { state?: string }[];
}

/** The parts of mocha's context that are used here. */
export interface MochaContext {
  currentTest?: MochaTest;
  timeout?(millis?: number): unknown;
  runnable?(): unknown;
}

/**
 * The test's own error wins, and so do those of mocha: a timeout, a skip, a second call of `done()`. A leak is attached to a failure as its
 * `suppressed`.
 */
export function wrapTest(test: MochaTest, attempt: Attempt): void {
  const body = test.fn;
  if (typeof body !== 'function') return;
  const checked = body.length > 0 ? checkAtDone(body, attempt, test) : checkAtEnd(body, attempt, test);
  const wrapped = function (this: unknown, ...args: [Done]): unknown {
    // Mocha clones a test to retry it, and hooks run again for the clone.
    if (test.fn === wrapped) test.fn = body;
    if (attempt.isOver) return body.apply(this, args);
    attempt.begin();
    endWhenGivenUp(test, attempt);
    return checked.apply(this, args);
  };
  // Mocha tells a callback test by its number of parameters.
  Object.defineProperty(wrapped, 'length', { value: body.length });
  test.fn = wrapped;
}

/** Mocha gives up a test that exceeds its timeout, or whose code throws outside of it, and runs the hooks at once. */
function endWhenGivenUp(test: MochaTest, attempt: Attempt): void {
  const tell = test.callback;
  if (typeof tell !== 'function') return;
  const givenUp: typeof tell = (error) => {
    const ended = endFailed(test, attempt, error, true).then(() => {
      // Set meanwhile, so that the function's own end does not count; nor would this.
      const { timedOut } = test;
      test.timedOut = false;
      tell(error);
      test.timedOut = timedOut as boolean;
    });
    ended.catch(throwLater);
  };
  test.callback = givenUp;
}

function endFailed(test: MochaTest, attempt: Attempt, error: unknown, isGivenUp = false): Promise<void> {
  return test.pending && !isGivenUp ? attempt.discard() : attempt.fail(error, isGivenUp);
}

function checkAtEnd(body: TestFunction, attempt: Attempt, test: MochaTest): TestFunction {
  return function (this: unknown, ...args) {
    let result: unknown;
    try {
      result = body.apply(this, args);
    } catch (error) {
      return endFailed(test, attempt, error).then(() => Promise.reject(error as Error));
    }
    const isPromise = typeof (result as PromiseLike<unknown> | undefined)?.then === 'function';
    // With --async-only mocha complains about a result that is no promise.
    if (!isPromise && test.asyncOnly) return result;
    return ended(test, attempt, result as PromiseLike<unknown>);
  };
}

async function ended(test: MochaTest, attempt: Attempt, result: PromiseLike<unknown>): Promise<void> {
  try {
    await result;
  } catch (error) {
    await endFailed(test, attempt, error);
    throw error;
  }
  await attempt.report();
}

function checkAtDone(body: TestFunction, attempt: Attempt, test: MochaTest): TestFunction {
  return function (this: unknown, done) {
    let verdict: Promise<void> | undefined;
    const result = body.call(this, (error) => {
      verdict ??= error ? endFailed(test, attempt, error) : attempt.report();
      // Mocha complains about a second call, once it has seen the first.
      tell(done, error, verdict).catch(throwLater);
    });
    // Mocha refuses a callback together with a promise, but for one that comes too late.
    return verdict === undefined ? result : undefined;
  };
}

async function tell(done: Done, error: unknown, verdict: Promise<void>): Promise<void> {
  try {
    await verdict;
  } catch (leak) {
    return done(leak);
  }
  done(error);
}
