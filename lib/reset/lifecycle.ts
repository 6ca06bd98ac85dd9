// Runs one reset at a time, and orders resets, `destroy()` and `initialize()`.
import { channel } from 'node:diagnostics_channel';
import { ResetError } from '../words/errors';
import type { ResetReport } from '../words/types';
import { defer } from '../words/waiting';
import { checkResetOptions, emptyReport, type ResetRequest } from './options';
import { join, type ResetHost, type Teardown, tearDown } from './reset';
import { TeardownTime } from './teardown-time';

const resetChannel = channel('knex-reset:reset');

/** A reset or a `destroy()` that is under way. A call of the same kind joins it, one of the other kind runs behind it. */
interface Step extends Teardown {
  /** What it waits for. */
  before: Step | undefined;
  readonly done: Promise<ResetReport>;
}

type Bound = Pick<ResetRequest, 'graceMillis' | 'timeoutMillis'>;

/**
 * The calls take effect in the order in which they were made, so that the last one decides. What waits is turned away by the call itself,
 * since it was asked before it; what is open is ended in its turn.
 */
export class Lifecycle {
  readonly #instance: ResetHost;
  readonly #onReopen: () => void;
  /** The last step that was asked for, until it has ended. */
  #last: Step | undefined;

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
    this.#open();
    // What is under way has no longer than the reset gives it.
    hurry(this.#last, request);
    return this.#joinOrRun(request, false);
  }

  /** Waits for what runs, aborts what runs too long, and ends the instance until it is reset or initialized. */
  destroy(): Promise<unknown> {
    const { pool, settings } = this.#instance;
    const { timeoutMillis } = settings;
    const bound = { graceMillis: timeoutMillis, timeoutMillis };
    const tellEnded = pool.close();
    // The grace of a reset is not waited out.
    if (this.#last?.isLast === false) hurry(this.#last, { graceMillis: 0, timeoutMillis });
    const done = this.#joinOrRun({ reason: 'destroy', ...bound, connections: 'close', waiting: 'reject' }, true);
    return tellEnded ? done.finally(tellEnded) : done;
  }

  /** By `initialize()`. Once `destroy()` has ended, knex's own makes a pool that is new to everybody. For a copy it may be open already. */
  reopen(): void {
    const { pool } = this.#instance;
    if (!this.#last && pool.destroyed) pool.real.dropListeners();
    this.#open();
  }

  #open(): void {
    this.#instance.pool.reopen();
    this.#onReopen();
  }

  #joinOrRun(request: ResetRequest, isLast: boolean): Promise<ResetReport> {
    const { pool, resets } = this.#instance;
    const last = this.#last;
    const { isGateClosed } = pool.queue;
    // Nothing gets past one that has something to end. One that has not is over: what is in use by now was asked after it.
    if (last?.isLast === isLast && (isGateClosed || !isInUse(this.#instance))) {
      join(pool, last, request);
      if (!isLast) resets.called(request);
      turnAway(this.#instance, request, last);
      return last.done;
    }
    if (!isLast) resets.begin(request);
    const ended = defer<ResetReport>();
    const done = ended.promise;
    const report = emptyReport(request.reason, resets.count);
    const time = new TeardownTime(request.graceMillis, request.timeoutMillis);
    const before = isGateClosed ? last : undefined;
    const step: Step = { request, time, cleaning: undefined, isLast, report, doomed: 0, before, done };
    this.#last = step;
    if (isInUse(this.#instance)) pool.queue.closeGate();
    turnAway(this.#instance, request, step);
    ended.resolve(this.#run(step));
    return done;
  }

  /** Whatever happens, the gate is open after the last one. */
  async #run(step: Step): Promise<ResetReport> {
    const { pool } = this.#instance;
    if (step.before) await step.before.done.catch(() => {});
    step.before = undefined;
    const startedAt = performance.now();
    try {
      pool.beginGeneration();
      const used = isInUse(this.#instance);
      if (!used && step.isLast) pool.real.retireForGood();
      // Awaited in any case: the calls of one tick share it.
      await (used ? tearDown(this.#instance, step) : undefined);
    } finally {
      step.report.durationMillis = performance.now() - startedAt;
      if (this.#last === step) {
        this.#last = undefined;
        pool.queue.openGate();
      }
    }
    if (!step.isLast && resetChannel.hasSubscribers) resetChannel.publish(step.report);
    return step.report;
  }
}

/** A step, and all that it waits for, end within the bound. */
function hurry(last: Step | undefined, { graceMillis, timeoutMillis }: Bound): void {
  for (let step = last; step; step = step.before) step.time.hurry(graceMillis, timeoutMillis);
}

/** Whether there is anything to end. */
export function isInUse({ pool, open }: ResetHost): boolean {
  return pool.register.connections.size > 0 || pool.openings.isOpening || pool.waiting > 0 || open.size > 0;
}

/**
 * 1. What waits was asked before the call: it rejects, or is asked again behind the gate. Blocks that are about to be tried again are
 * rejected in any case.
 */
function turnAway({ pool, resets }: ResetHost, request: ResetRequest, teardown: Teardown): void {
  const { reason, waiting } = request;
  const { report } = teardown;
  const error = (cause?: unknown) => new ResetError({ reason, generation: report.generation, cause });
  const { count, amongWaiters } = resets.endPauses(error);
  report.rejectedWaiters += count;
  if (pool.waiting === 0) return;
  const turned = pool.turnAway(error, waiting);
  report.rejectedWaiters += turned.rejected;
  report.requeuedWaiters += turned.requeued + teardown.doomed;
  // Those have been counted, and each has a request as well.
  teardown.doomed += amongWaiters;
  if (waiting === 'requeue') {
    report.requeuedWaiters -= teardown.doomed;
  } else {
    report.rejectedWaiters -= teardown.doomed;
    teardown.doomed = 0;
  }
}
