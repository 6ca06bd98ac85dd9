// One run of one test, from its clean start to the verdict on what it left behind.
import { SandboxError, suppress } from '../words/errors';
import { read } from '../words/foreign';
import type { LeakReport } from '../words/types';
import type { Isolation, OpenThings } from './isolation';
import { leakError, leakMessage } from './leak-error';
import { isEmpty } from './look-for-leaks';

export type LeakPolicy = 'fail' | 'warn' | 'ignore';

export class Attempt {
  readonly #isolation: Isolation;
  readonly #leaks: LeakPolicy;
  readonly #title: string;
  #earlier: OpenThings = new Set();
  #ended: Promise<LeakReport | undefined> | undefined;
  /** The hook after the test has found something open, and left the verdict to the end that the runner promised. */
  #isLate = false;

  constructor(isolation: Isolation, leaks: LeakPolicy, title: string) {
    this.#isolation = isolation;
    this.#leaks = leaks;
    this.#title = title;
  }

  /** Makes everything clean for the test. */
  open(): Promise<void> {
    return this.#isolation.open();
  }

  /** Of a test inside this one: what the outer one has open is not its affair. */
  inner(title: string): Attempt {
    const attempt = new Attempt(this.#isolation.nest(), this.#leaks, title);
    attempt.begin();
    return attempt;
  }

  /** The verdict is given: a function of the test that is called now belongs to another attempt. */
  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  /** What is open already belongs to the hooks of the suite, which may well close it after the test. */
  begin(): void {
    this.#earlier = this.#isolation.openNow();
  }

  /** The test has something open, which would be a leak if this were its end. */
  async hasOpen(): Promise<boolean> {
    this.#isLate = await this.#isolation.hasOpen(this.#earlier);
    return this.#isLate;
  }

  /** Ends what the test left open. @throws what the policy makes of it, and what the isolation has against the test */
  async report(): Promise<void> {
    const isFirst = !this.isOver;
    const leaks = await this.#end();
    if (!isFirst || !leaks || isEmpty(leaks) || this.#leaks === 'ignore') return;
    if (this.#leaks === 'fail') throw leakError(this.#title, leaks);
    this.#warn(leaks);
  }

  /**
   * Ends what a failed test left open. The test keeps its error. What it left, and what has become of its sandbox, is `suppressed` on it,
   * and a warning, since runners do not print that property.
   * @param isGivenUp it still runs: the hooks of the suite come next, and may need its locks
   */
  async fail(error: unknown, isGivenUp = false): Promise<void> {
    const isFirst = !this.isOver;
    let leaks: LeakReport | undefined;
    try {
      leaks = await this.#end(isGivenUp);
    } catch (later) {
      if (isFirst) this.#failAsWell(error, later);
    }
    if (!isFirst || !leaks || isEmpty(leaks) || this.#leaks === 'ignore') return;
    suppress(error, leakError(this.#title, leaks));
    this.#warn(leaks);
  }

  /** A constraint that a broken-off test has violated is only its consequence. An ended sandbox has stored rows. */
  #failAsWell(error: unknown, later: unknown): void {
    if (later === error || read(later, 'cause') === error) return;
    suppress(error, later);
    if (!(later instanceof SandboxError)) return;
    const message = `"${this.#title}" failed, and so did its sandbox: ${later.message}`;
    process.emitWarning(message, { type: 'SandboxWarning', code: 'KNEX_RESET_SANDBOX' });
  }

  /** Ends what the test left open, of which there is nothing more to say, unless the runner has not called for the verdict as it promised. */
  async discard(): Promise<void> {
    const isFirst = !this.isOver;
    const leaks = await this.#end().catch(() => undefined);
    if (isFirst && this.#isLate && leaks && !isEmpty(leaks) && this.#leaks !== 'ignore') this.#warn(leaks);
  }

  #warn(leaks: LeakReport): void {
    process.emitWarning(leakMessage(this.#title, leaks), { type: 'LeakWarning', code: 'KNEX_RESET_LEAK' });
  }

  #end(isGivenUp = false): Promise<LeakReport | undefined> {
    this.#ended ??= this.#close(isGivenUp);
    return this.#ended;
  }

  async #close(isGivenUp: boolean): Promise<LeakReport | undefined> {
    if (this.#leaks === 'ignore' && !this.#isolation.hasEnd && !isGivenUp) return undefined;
    const { transactions, queries } = await this.#isolation.close(this.#earlier);
    return { transactions: transactions.filter(({ id }) => !this.#earlier.has(id)), queries };
  }
}
