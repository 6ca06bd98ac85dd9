// Counts the resets of an instance, and the calls for one. What was asked before a call does not touch the database after it, so each asker
// compares their number.
import { ResetError } from '../words/errors';
import { type Deferred, defer } from '../words/waiting';

const NONE = Object.freeze({ count: 0, amongWaiters: 0 });

interface Pause {
  /** What the attempt before has failed of. */
  readonly failed: unknown;
  /** Absent: it waits for no connection. An alarm ends only an attempt that does. */
  readonly isWaiter?: () => boolean;
}

interface Call {
  readonly reason: string | undefined;
  readonly waiting: 'reject' | 'requeue';
}

export class Resets {
  #count = 0;
  #calls = 0;
  /** The latest call that rejects pending acquires. */
  #rejecting: { readonly reason: string | undefined; readonly call: number } | undefined;
  /** The fatal error that `onFatal: 'reset'` has called for one last, and which call that was. */
  #cause: { readonly error: unknown; readonly call: number } | undefined;
  /** Of blocks between two attempts, and of later attempts. */
  readonly #pauses = new Map<Deferred<never>, Pause>();

  /** How many there have been. */
  get count(): number {
    return this.#count;
  }

  /** How often one was called for: also where the call joined one that was under way. */
  get calls(): number {
    return this.#calls;
  }

  /** One more, by this call. */
  begin(call: Call): void {
    this.#count++;
    this.called(call);
  }

  called({ reason, waiting }: Call): void {
    this.#calls++;
    if (waiting === 'reject') this.#rejecting = { reason, call: this.#calls };
  }

  /** Called right before a connection is acquired. @throws ResetError if there was a call that rejects waiters since their number was `earlier` */
  refuseEarlier(earlier: number): void {
    if (this.#rejecting === undefined || this.#rejecting.call <= earlier) return;
    throw new ResetError({ reason: this.#rejecting.reason, generation: this.#count });
  }

  /** Calls for one because of a fatal error: a block that failed of it may be tried again after it. */
  makeFor(error: unknown, reset: () => void): void {
    const earlier = this.#calls;
    reset();
    if (this.#calls > earlier) this.#cause = { error, call: this.#calls };
  }

  /** Whether the latest call was made for one of these errors. */
  isLatestFor(errors: readonly unknown[]): boolean {
    return this.#cause?.call === this.#calls && errors.includes(this.#cause.error);
  }

  /** Runs what a block waits for between two attempts, or its later attempt. Its alarm rejects when a reset is called for. */
  async pause<T>(pause: Pause, wait: (alarm: Promise<never>) => Promise<T>): Promise<T> {
    const alarm = defer<never>();
    alarm.promise.catch(() => {});
    this.#pauses.set(alarm, pause);
    try {
      return await wait(alarm.promise);
    } finally {
      this.#pauses.delete(alarm);
    }
  }

  /** Rejects the blocks that are about to be tried again: what was asked before a call is not asked again after it. Returns their number, and how many of them wait for a connection. */
  endPauses(error: (cause: unknown) => ResetError): { count: number; amongWaiters: number } {
    if (this.#pauses.size === 0) return NONE;
    const ended = { count: 0, amongWaiters: 0 };
    for (const [alarm, { failed, isWaiter }] of this.#pauses) {
      if (isWaiter && !isWaiter()) continue;
      this.#pauses.delete(alarm);
      ended.count++;
      if (isWaiter) ended.amongWaiters++;
      alarm.reject(error(failed));
    }
    return ended;
  }
}
