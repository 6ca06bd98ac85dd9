// Work with several waiters, each with a bound of its own.
import { Deadline, defer, type TimeLimit, within } from './waiting';

/** The last of several deadlines. It is moved by each that is added, and with each of them. */
class Latest extends Deadline {
  readonly #all = new Set<Deadline>();

  constructor() {
    super(0);
  }

  /** Returns what takes it away again. */
  add(deadline: Deadline): () => void {
    this.#all.add(deadline);
    this.#settle();
    const forget = deadline.onMove(() => this.#settle());
    return () => {
      forget();
      this.#all.delete(deadline);
    };
  }

  #settle(): void {
    const left = Math.max(...[...this.#all].map(({ leftMillis }) => leftMillis));
    this.hurry(left);
    this.prolong(left);
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
  readonly #latest = new Latest();
  readonly #done = defer<T>();
  #work: ((time: SharedTime) => Promise<T>) | undefined;

  constructor(work: (time: SharedTime) => Promise<T>) {
    this.#work = work;
    this.#done.promise.catch(() => {});
  }

  /** Its result. Undefined: it failed, or has not ended by then. */
  async join(limit: TimeLimit): Promise<T | undefined> {
    const deadline = Deadline.of(limit);
    const unfollow = this.#soonest.follow(deadline);
    const leave = this.#latest.add(deadline);
    this.#start();
    try {
      return await within(deadline, this.#done.promise);
    } finally {
      unfollow();
      leave();
    }
  }

  /** Nobody needs it any more: its time is up. */
  end(): void {
    this.#latest.hurry(0);
  }

  #start(): void {
    const work = this.#work;
    this.#work = undefined;
    if (work) this.#done.resolve(work({ soonest: this.#soonest, latest: this.#latest }));
  }
}
