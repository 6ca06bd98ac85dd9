// Waits with a bound, and leaves no timer behind.

import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

// Taken when this is loaded: a test may fake the clock, while what is waited for here goes on. Not from the global object, where jest
// has faked it before anything is loaded (`fakeTimers: { enableGlobally: true }`).
const { clearTimeout, setImmediate, setTimeout } = timers;
const now = performance.now.bind(performance);

/** The next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Resolves when the time is up. */
export async function sleep(limit: TimeLimit): Promise<void> {
  await within(limit, new Promise<never>(() => {}));
}

/** A timer that is later than this was held up by a blocked event loop. */
const BLOCKED_MILLIS = 10;
/** How much longer an answer is waited for then, at most. */
export const EXTENSION_MILLIS = 100;

/** How long something may take: in milliseconds from now, or until a deadline. */
export type TimeLimit = number | Deadline;

/** What becomes of a promise, without a rejection: for a wait that has to tell an error from the end of its time. */
export function heard<T>(promise: Promise<T>): Promise<{ value: T } | { error: unknown }> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

/**
 * The promise's value, or undefined once the time is up; a rejection counts as an end without a value. Where the event loop was
 * blocked, expired timers run before the answers that wait in the sockets: lateness is proven one turn after the timer, and where the
 * timer itself is late, as much later.
 */
export function within<T>(limit: TimeLimit, promise: PromiseLike<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const deadline = Deadline.of(limit);
    let timer: NodeJS.Timeout | undefined;
    const expired = () => {
      const extension = deadline.extend();
      if (extension <= 0) return void setImmediate(giveUp);
      timer = setTimeout(expired, extension);
    };
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(expired, deadline.leftMillis);
    };
    const giveUp = () => (deadline.leftMillis > 1 ? arm() : ended(undefined));
    const forget = deadline.onMove(arm);
    const ended = (value: T | undefined) => {
      clearTimeout(timer);
      forget();
      resolve(value);
    };
    arm();
    promise.then(ended, () => ended(undefined));
  });
}

type Move = 'forward' | 'back';

/** A moment in the future, as how much is left until then. It can be moved forward; only that of shared work moves back. */
export class Deadline {
  #at: number;
  #told: Set<(move: Move) => void> | undefined;
  /** What it is a part of, or itself. */
  #whole: Deadline = this;
  /** Until when answers are waited for that a blocked event loop has held up: granted once, to all its waits and parts together. */
  #extendedUntil = 0;

  constructor(timeoutMillis: number) {
    this.#at = now() + Math.max(0, timeoutMillis);
  }

  static of(limit: TimeLimit): Deadline {
    return typeof limit === 'number' ? new Deadline(limit) : limit;
  }

  get leftMillis(): number {
    return Math.max(0, this.#at - now());
  }

  get lateMillis(): number {
    return Math.max(0, now() - this.#at);
  }

  /** How much longer is waited, now that it has expired: more than 0 only where the timer that tells so is late. */
  extend(): number {
    const late = this.lateMillis;
    const whole = this.#whole;
    if (late > BLOCKED_MILLIS && whole.#extendedUntil === 0)
      whole.#extendedUntil = now() + Math.min(late, EXTENSION_MILLIS);
    return whole.#extendedUntil - now();
  }

  /** It is no later than that from now on. */
  hurry(timeoutMillis: number): void {
    const at = now() + Math.max(0, timeoutMillis);
    if (at < this.#at) this.#move(at, 'forward');
  }

  /** It is no sooner than that from now on. */
  protected prolong(timeoutMillis: number): void {
    const at = now() + timeoutMillis;
    if (at > this.#at) this.#move(at, 'back');
  }

  /** Ends after a share of what is left, also of what is left after a move. */
  part(share: number): Deadline {
    const part = new Deadline(this.leftMillis * share);
    part.#whole = this.#whole;
    this.onMove((move) => {
      const left = this.leftMillis * share;
      if (move === 'forward') part.hurry(left);
      else part.prolong(left);
    });
    return part;
  }

  /** Called whenever it was moved. Returns what ends that. */
  onMove(told: (move: Move) => void): () => void {
    this.#told ??= new Set();
    this.#told.add(told);
    return () => this.#told?.delete(told);
  }

  #move(at: number, move: Move): void {
    this.#at = at;
    for (const told of this.#told ?? []) told(move);
  }
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T | PromiseLike<T>): void;
  reject(error: unknown): void;
}

export function defer<T = void>(): Deferred<T> {
  let resolve!: Deferred<T>['resolve'];
  let reject!: Deferred<T>['reject'];
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** What may come while something else is waited for. A promise that is raced with each of many waits keeps what all of them came to. */
export class Interruption {
  readonly #waits = new Set<Deferred<never>>();
  #reason: (() => unknown) | undefined;

  /** All that wait reject with the reason, later ones too. */
  come(reason: () => unknown): void {
    this.#reason ??= reason;
    for (const wait of this.#waits) wait.reject(this.#reason());
  }

  /** What the first of them settles with, or a rejection where the interruption comes before. */
  async during<T>(...awaited: PromiseLike<T>[]): Promise<T> {
    const wait = defer<never>();
    if (this.#reason) wait.reject(this.#reason());
    this.#waits.add(wait);
    try {
      return await Promise.race([...awaited, wait.promise]);
    } finally {
      this.#waits.delete(wait);
    }
  }
}
