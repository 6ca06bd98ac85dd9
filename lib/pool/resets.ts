// Counts the resets of an instance. What was asked before one does not touch the database after it, so each asker compares the count.
import { ResetError } from '../words/errors';
import { type Deferred, defer } from '../words/waiting';

export class Resets {
  #count = 0;
  /** What the latest one does with pending acquires. */
  #latest: { readonly reason: string | undefined; readonly waiting: 'reject' | 'requeue' } | undefined;
  /** The fatal error that the latest reset by `onFatal: 'reset'` was made for, and which reset that was. */
  #cause: { readonly error: unknown; readonly number: number } | undefined;
  /** Of blocks between two attempts. */
  readonly #pauses = new Set<Deferred<never>>();

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

  /** Runs what a block waits for between two attempts. Its alarm rejects when a reset begins. */
  async pause(wait: (alarm: Promise<never>) => Promise<void>): Promise<void> {
    const alarm = defer<never>();
    alarm.promise.catch(() => {});
    this.#pauses.add(alarm);
    try {
      await wait(alarm.promise);
    } finally {
      this.#pauses.delete(alarm);
    }
  }

  /** Rejects the blocks between two attempts. Returns their number. */
  endPauses(error: () => ResetError): number {
    for (const alarm of this.#pauses) alarm.reject(error());
    return this.#pauses.size;
  }
}
