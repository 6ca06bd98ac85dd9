// Runs one reset at a time, and orders resets, `destroy()` and `initialize()`.
import { channel } from 'node:diagnostics_channel';
import type { Instance } from '../pool/instance';
import type { ResetReport } from '../words/types';
import { checkResetOptions, type ResetRequest } from './options';
import { endGeneration } from './reset';
import { TeardownTime } from './teardown-time';

const resets = channel('knex-reset:reset');

/** Work under way that others join, and may hurry. */
interface UnderWay<T> {
  readonly time: TeardownTime;
  readonly done: Promise<T>;
}

export class Lifecycle {
  readonly #instance: Instance;
  readonly #onReopen: () => void;
  #reset: UnderWay<ResetReport> | undefined;
  #destroy: UnderWay<void> | undefined;

  constructor(instance: Instance, onReopen: () => void) {
    this.#instance = instance;
    this.#onReopen = onReopen;
  }

  /** Overlapping calls share one teardown and one report; the bound of each holds. */
  reset(given: unknown): Promise<ResetReport> {
    let request: ResetRequest;
    try {
      request = checkResetOptions(given, this.#instance.settings);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#reset) this.#reset.time.hurry(request.graceMillis, request.timeoutMillis);
    else this.#reset = this.#underWay(request, (time) => this.#run(request, time), this.#resetEnded);
    return this.#reset.done;
  }

  /** Waits for what runs, aborts what runs too long, and ends the instance until it is reset or initialized. */
  destroy(): Promise<void> {
    const { pool, settings } = this.#instance;
    const { timeoutMillis } = settings;
    pool.destroyed = true;
    this.#destroy ??= this.#underWay(
      { graceMillis: timeoutMillis, timeoutMillis },
      (time) => this.#end(time),
      this.#destroyEnded,
    );
    return this.#destroy.done;
  }

  reopen(): void {
    this.#instance.pool.reopen();
    this.#onReopen();
  }

  #underWay<T>(
    { graceMillis, timeoutMillis }: { graceMillis: number; timeoutMillis: number },
    work: (time: TeardownTime) => Promise<T>,
    ended: () => void,
  ): UnderWay<T> {
    const time = new TeardownTime(graceMillis, timeoutMillis);
    return { time, done: work(time).finally(ended) };
  }

  readonly #resetEnded = (): void => {
    this.#reset = undefined;
  };

  readonly #destroyEnded = (): void => {
    this.#destroy = undefined;
  };

  async #run(request: ResetRequest, time: TeardownTime): Promise<ResetReport> {
    if (this.#destroy) {
      // What it waits for has no longer than the reset gives it.
      this.#destroy.time.hurry(request.graceMillis, request.timeoutMillis);
      await this.#destroy.done;
    }
    this.reopen();
    this.#instance.resets++;
    const report = await this.#endGeneration(request, time, false);
    if (resets.hasSubscribers) resets.publish(report);
    return report;
  }

  async #end(time: TeardownTime): Promise<void> {
    const { pool, settings } = this.#instance;
    const { timeoutMillis } = settings;
    if (this.#reset) {
      // What it gives to others is not waited out.
      this.#reset.time.hurry(0, timeoutMillis);
      await this.#reset.done;
    }
    pool.close();
    await this.#endGeneration(
      { reason: 'destroy', graceMillis: timeoutMillis, timeoutMillis, connections: 'close', waiting: 'reject' },
      time,
      true,
    );
  }

  /** Whatever happens, the gate is open after it. */
  async #endGeneration(request: ResetRequest, time: TeardownTime, isLast: boolean): Promise<ResetReport> {
    try {
      return await endGeneration(this.#instance, { request, time, isLast });
    } finally {
      this.#instance.pool.openGate();
    }
  }
}
