// Counts the resets of an instance. What was asked before one does not touch the database after it, so each asker compares the count.
import { ResetError } from '../words/errors';
import { type Deferred, defer } from '../words/waiting';

const NONE = Object.freeze({ count: 0, amongWaiters: 0 });

export class Resets {
  #count = 0;
  /** What the latest one does with pending acquires. */
  #latest: { readonly reason: string | undefined; readonly waiting: 'reject' | 'requeue' } | undefined;
  /** The fatal error that the latest reset by `onFatal: 'reset'` was made for, and which reset that was. */
  #cause: { readonly error: unknown; readonly number: number } | undefined;
  /** Of blocks between two attempts, and of later attempts, with whether these wait for a connection. */
  readonly #pauses = new Map<Deferred<never>, (() => boolean) | undefined>();

  /** How many there have been. */
  get count(): number {
    return this.#count;
  }

  /** One begins. */
  begin({ reason, waiting }: { reason: string | undefined; waiting: 'reject' | 'requeue' }): void {
    this.#count++;
    this.#latest = { reason, waiting };
  }

  /** Called right before a connection is acquired. @throws ResetError if a reset has begun since the count was `earlier` */
  refuseEarlier(earlier: number): void {
    if (earlier === this.#count || this.#latest?.waiting !== 'reject') return;
    throw new ResetError({ reason: this.#latest.reason, generation: this.#count });
  }

  /** Calls `reset` for a fatal error: a block that failed of it may be tried again after the reset that begins then. */
  makeFor(error: unknown, reset: () => void): void {
    const earlier = this.#count;
    reset();
    if (this.#count > earlier) this.#cause = { error, number: this.#count };
  }

  /** Whether the latest reset was made for one of these errors. */
  isLatestFor(errors: readonly unknown[]): boolean {
    return this.#cause?.number === this.#count && errors.includes(this.#cause.error);
  }

  /**
   * Runs what a block waits for between two attempts, or its later attempt. Its alarm rejects when a reset begins.
   * @param isWaiter whether it waits for a connection: the alarm of an attempt is for that alone
   */
  async pause<T>(wait: (alarm: Promise<never>) => Promise<T>, isWaiter?: () => boolean): Promise<T> {
    const alarm = defer<never>();
    alarm.promise.catch(() => {});
    this.#pauses.set(alarm, isWaiter);
    try {
      return await wait(alarm.promise);
    } finally {
      this.#pauses.delete(alarm);
    }
  }

  /** Rejects the blocks that are about to be tried again. Returns their number, and how many of them wait for a connection. */
  endPauses(error: () => ResetError): { count: number; amongWaiters: number } {
    if (this.#pauses.size === 0) return NONE;
    const ended = { count: 0, amongWaiters: 0 };
    for (const [alarm, isWaiter] of this.#pauses) {
      if (isWaiter && !isWaiter()) continue;
      ended.count++;
      if (isWaiter) ended.amongWaiters++;
      alarm.reject(error());
    }
    return ended;
  }
}
