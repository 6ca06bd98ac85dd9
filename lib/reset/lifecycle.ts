// One reset at a time; what `destroy()` and `initialize()` mean between them.
import { channel } from 'node:diagnostics_channel';
import type { Instance } from '../pool/instance';
import type { ResetReport } from '../words/types';
import { Deadline, type Deferred, defer, within } from '../words/waiting';
import { checkResetOptions, endGeneration } from './reset';

const resets = channel('knex-reset:reset');

export class Lifecycle {
  readonly #instance: Instance;
  readonly #onReopen: () => void;
  #reset: Promise<ResetReport> | undefined;
  #destroy: Promise<void> | undefined;
  /** Ends the time that `destroy()` gives to what runs, and bounds what it does then. */
  #hurry: Deferred<Deadline> = defer();

  constructor(instance: Instance, onReopen: () => void) {
    this.#instance = instance;
    this.#onReopen = onReopen;
  }

  /** Overlapping calls share one teardown and one report. */
  reset(given: unknown): Promise<ResetReport> {
    let options: ReturnType<typeof checkResetOptions>;
    try {
      options = checkResetOptions(given);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#reset ??= this.#run(options).finally(() => {
      this.#reset = undefined;
    });
    return this.#reset;
  }

  /** Waits for what runs, aborts what runs too long, and ends the instance until it is reset or initialized. */
  destroy(): Promise<void> {
    this.#instance.pool.destroyed = true;
    this.#destroy ??= this.#end().finally(() => {
      this.#destroy = undefined;
    });
    return this.#destroy;
  }

  reopen(): void {
    this.#instance.pool.reopen();
    this.#onReopen();
  }

  async #run(options: ReturnType<typeof checkResetOptions>): Promise<ResetReport> {
    const { pool, settings } = this.#instance;
    if (this.#destroy) {
      // What it waits for has no longer than the reset gives it.
      const { graceMillis = settings.graceMillis, timeoutMillis = settings.timeoutMillis } = options;
      if (graceMillis > 0) await within(graceMillis, this.#destroy);
      this.#hurry.resolve(new Deadline(timeoutMillis));
      await this.#destroy;
    }
    this.reopen();
    this.#instance.resets++;
    const report = await endGeneration(this.#instance, options).finally(() => pool.openGate());
    if (resets.hasSubscribers) resets.publish(report);
    return report;
  }

  async #end(): Promise<void> {
    const { pool, settings } = this.#instance;
    if (this.#reset) await this.#reset;
    pool.close();
    const { timeoutMillis } = settings;
    const options = { reason: 'destroy', graceMillis: timeoutMillis, timeoutMillis };
    this.#hurry = defer();
    await endGeneration(this.#instance, options, this.#hurry.promise).finally(() => pool.openGate());
  }
}
