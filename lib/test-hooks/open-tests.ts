// The running tests: one at a time, or one inside another. A test that begins meanwhile cannot take the isolation of another.
import { quoted } from '../words/describe';
import { SandboxError } from '../words/errors';
import type { Attempt } from './attempt';
import type { RunningTest } from './running-test';

interface OpenTest {
  test: RunningTest;
  attempt: Attempt;
}

export class OpenTests {
  /** From the outermost to the innermost. */
  readonly #tests: OpenTest[] = [];

  /**
   * Begins a test, inside the running one if it belongs there.
   * @param make makes its attempt
   * @throws SandboxError where it overlaps with another
   */
  async begin(test: RunningTest, make: (outer: Attempt | undefined) => Attempt): Promise<Attempt> {
    for (;;) {
      const latest = this.#tests.at(-1);
      if (!latest) break;
      // First: a test that is over has nothing inside, whatever its name is.
      const isOver = latest.attempt.isOver || latest.test.isOver() || isSame(latest.test, test);
      if (!isOver && test.isInside(latest.test)) break;
      if (!isOver) throw overlap(test, latest.test);
      // Its own hook for that was not called, or is at it.
      await latest.attempt.discard();
      this.#remove(latest);
    }
    const attempt = make(this.#tests.at(-1)?.attempt);
    const opened = { test, attempt };
    // Before it is waited for: another one that begins meanwhile has to see it.
    this.#tests.push(opened);
    try {
      await attempt.open();
      return attempt;
    } catch (error) {
      this.#remove(opened);
      throw error;
    }
  }

  /** Ends a test, by way of `end`, and those inside it. Nothing happens for one that was refused. */
  async end(test: RunningTest, end: (attempt: Attempt) => Promise<void>): Promise<void> {
    const ending = this.#tests.findLast((each) => test.key === undefined || isSame(each.test, test));
    if (!ending) return;
    for (const inner of this.#tests.slice(this.#tests.indexOf(ending) + 1).reverse()) {
      await inner.attempt.discard();
      this.#remove(inner);
    }
    try {
      await end(ending.attempt);
    } finally {
      this.#remove(ending);
    }
  }

  /** Whether a test that is under way has something open. */
  async hasOpen(test: RunningTest): Promise<boolean> {
    const open = this.#tests.find((each) => isSame(each.test, test));
    return open !== undefined && !open.attempt.isOver && (await open.attempt.hasOpen());
  }

  async discardAll(): Promise<void> {
    for (const { attempt } of this.#tests.splice(0).reverse()) await attempt.discard();
  }

  #remove(test: OpenTest): void {
    const place = this.#tests.indexOf(test);
    if (place >= 0) this.#tests.splice(place, 1);
  }
}

function isSame(one: RunningTest, other: RunningTest): boolean {
  return one.key !== undefined && one.key === other.key;
}

function overlap(test: RunningTest, running: RunningTest): SandboxError {
  return new SandboxError(
    `${quoted(test.title)} begins while ${quoted(running.title)} runs: hooks cannot keep tests apart that run at the same time. ` +
      'Put the body of each into a sandbox of its own, by db.sandbox(body), or by openSandbox({ pinned: false }) and sandbox.run().' +
      (running.hint ?? ''),
  );
}
