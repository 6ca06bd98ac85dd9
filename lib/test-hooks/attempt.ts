// One run of one test, from its clean start to the verdict on what it left behind.
import type { LeakReport } from '../words/types';
import type { Isolation } from './isolation';
import { leakError, leakMessage } from './leak-error';
import { isEmpty } from './look-for-leaks';

export type LeakPolicy = 'fail' | 'warn' | 'ignore';

export class Attempt {
  readonly #isolation: Isolation;
  readonly #leaks: LeakPolicy;
  readonly #title: string;
  #earlier: string[] = [];
  #ended: Promise<LeakReport | undefined> | undefined;

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

  /** Ends what the test left open. @throws what the policy makes of it, and what the isolation has against the test */
  async report(): Promise<void> {
    const isFirst = !this.isOver;
    const leaks = await this.#end();
    if (!isFirst || !leaks || isEmpty(leaks) || this.#leaks === 'ignore') return;
    if (this.#leaks === 'fail') throw leakError(this.#title, leaks);
    process.emitWarning(leakMessage(this.#title, leaks), { type: 'LeakWarning', code: 'KNEX_RESET_LEAK' });
  }

  /** Ends what the test left open, of which there is nothing more to say. */
  async discard(): Promise<void> {
    await this.#end().catch(() => {});
  }

  /** The same for a test that is given up while it runs: the hooks of the suite come next, and may need its locks. */
  async abandon(): Promise<void> {
    await this.#end(true).catch(() => {});
  }

  #end(isGivenUp = false): Promise<LeakReport | undefined> {
    this.#ended ??= this.#close(isGivenUp);
    return this.#ended;
  }

  async #close(isGivenUp: boolean): Promise<LeakReport | undefined> {
    if (this.#leaks === 'ignore' && !this.#isolation.hasEnd && !isGivenUp) return undefined;
    const { transactions, queries } = await this.#isolation.close(this.#earlier);
    return { transactions: transactions.filter(({ id }) => !this.#earlier.includes(id)), queries };
  }
}
