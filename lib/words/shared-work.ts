// Work with several waiters, each with a bound of its own.
import { Deadline, defer, type TimeLimit, within } from './waiting';

/** A deadline that is moved both ways. */
class Movable extends Deadline {
  moveTo(timeoutMillis: number): void {
    this.hurry(timeoutMillis);
    this.prolong(timeoutMillis);
  }
}

/** How long shared work may take. */
export interface SharedTime {
  /** Of the waiter with the least time: by then it is done, or as far as it can be left. */
  readonly soonest: Deadline;
  /** The deadline of the waiter with the most time. Until then the work goes on. */
  readonly latest: Deadline;
}

/**
 * Work with several waiters, each with a bound of its own. It has no other bound than theirs: the first waiter's ends nothing that a
 * later one still waits for, and holds up nobody who has less time. It starts with its first waiter: whatever the work calls in its
 * first turn can see already that it is under way.
 */
export class SharedWork<T> {
  readonly #soonest = new Deadline(Number.POSITIVE_INFINITY);
  readonly #latest = new Movable(0);
  readonly #waiters = new Set<Deadline>();
  readonly #done = defer<T>();
  #work: ((time: SharedTime) => Promise<T>) | undefined;

  constructor(work: (time: SharedTime) => Promise<T>) {
    this.#work = work;
  }

  /** Its result. Undefined: it failed, or has not ended by then. */
  async join(limit: TimeLimit): Promise<T | undefined> {
    const deadline = Deadline.of(limit);
    this.#waiters.add(deadline);
    const forget = deadline.onMove(this.#settle);
    this.#settle();
    this.#start();
    try {
      return await within(deadline, this.#done.promise);
    } finally {
      forget();
      this.#waiters.delete(deadline);
    }
  }

  /** Its result, for those who are no waiters: it gets no time for them. */
  get done(): Promise<T> {
    return this.#done.promise;
  }

  /** Nobody needs it any more: its time is up. */
  end(): void {
    this.#latest.hurry(0);
  }

  readonly #settle = (): void => {
    let last = 0;
    for (const { leftMillis } of this.#waiters) {
      this.#soonest.hurry(leftMillis);
      last = Math.max(last, leftMillis);
    }
    this.#latest.moveTo(last);
  };

  #start(): void {
    const work = this.#work;
    this.#work = undefined;
    if (work) this.#done.resolve(work({ soonest: this.#soonest, latest: this.#latest }));
  }
}
