// Runs one reset at a time, and orders resets, `destroy()` and `initialize()`.
import { channel } from 'node:diagnostics_channel';
import type { ResetReport } from '../words/types';
import { checkResetOptions, join, type ResetRequest } from './options';
import { endGeneration, type ResetHost } from './reset';
import { TeardownTime } from './teardown-time';

const resetChannel = channel('knex-reset:reset');

/** A reset or a `destroy()` that is under way. A call of the same kind joins it, one of the other kind runs behind it. */
interface Step<T> {
  readonly kind: 'reset' | 'destroy';
  /** What it does, also for those that join it. */
  readonly request: ResetRequest;
  readonly time: TeardownTime;
  /** What it waits for. */
  readonly before: Step<unknown> | undefined;
  readonly done: Promise<T>;
}

type Bound = Pick<ResetRequest, 'graceMillis' | 'timeoutMillis'>;

/** The calls take effect in the order in which they were made, so that the last one decides. */
export class Lifecycle {
  readonly #instance: ResetHost;
  readonly #onReopen: () => void;
  /** The last step that was asked for, until it has ended. */
  #last: Step<unknown> | undefined;

  constructor(instance: ResetHost, onReopen: () => void) {
    this.#instance = instance;
    this.#onReopen = onReopen;
  }

  /** Overlapping calls share one teardown and one report. The bound of each holds. If one of them closes connections, none is recycled. */
  reset(given: unknown): Promise<ResetReport> {
    let request: ResetRequest;
    try {
      request = checkResetOptions(given, this.#instance.settings);
    } catch (error) {
      return Promise.reject(error);
    }
    // What is under way has no longer than the reset gives it.
    hurry(this.#last, request);
    return this.#joinOrRun('reset', request, (time) => this.#run(request, time));
  }

  /** Waits for what runs, aborts what runs too long, and ends the instance until it is reset or initialized. */
  destroy(): Promise<void> {
    const { pool, settings } = this.#instance;
    const { timeoutMillis } = settings;
    const bound = { graceMillis: timeoutMillis, timeoutMillis };
    const request: ResetRequest = { reason: 'destroy', ...bound, connections: 'close', waiting: 'reject' };
    pool.destroyed = true;
    // The grace of a reset is not waited out.
    if (this.#last?.kind === 'reset') hurry(this.#last, { graceMillis: 0, timeoutMillis });
    return this.#joinOrRun('destroy', request, (time) => this.#end(request, time));
  }

  reopen(): void {
    this.#instance.pool.reopen();
    this.#onReopen();
  }

  #joinOrRun<T>(kind: Step<T>['kind'], request: ResetRequest, work: (time: TeardownTime) => Promise<T>): Promise<T> {
    const before = this.#last;
    if (before?.kind === kind) {
      join(before.request, request);
      return before.done as Promise<T>;
    }
    const time = new TeardownTime(request.graceMillis, request.timeoutMillis);
    const done = (before ? before.done.catch(() => {}).then(() => work(time)) : work(time)).finally(() => {
      if (this.#last?.done === done) this.#last = undefined;
    });
    this.#last = { kind, request, time, before, done };
    return done;
  }

  async #run(request: ResetRequest, time: TeardownTime): Promise<ResetReport> {
    this.reopen();
    this.#instance.resets.begin(request);
    const report = await this.#endGeneration(request, time, false);
    if (resetChannel.hasSubscribers) resetChannel.publish(report);
    return report;
  }

  async #end(request: ResetRequest, time: TeardownTime): Promise<void> {
    this.#instance.pool.queue.isClosed = true;
    await this.#endGeneration(request, time, true);
  }

  /** Whatever happens, the gate is open after it. */
  async #endGeneration(request: ResetRequest, time: TeardownTime, isLast: boolean): Promise<ResetReport> {
    try {
      return await endGeneration(this.#instance, { request, time, isLast });
    } finally {
      this.#instance.pool.queue.openGate();
    }
  }
}

/** A step, and all that it waits for, end within the bound. */
function hurry(last: Step<unknown> | undefined, { graceMillis, timeoutMillis }: Bound): void {
  for (let step = last; step; step = step.before) step.time.hurry(graceMillis, timeoutMillis);
}
