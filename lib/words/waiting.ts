// Waiting with a bound, and leaving no timer behind.

// Taken when this is loaded: a test may fake the clock, while what is waited for here goes on.
const { clearTimeout, setImmediate, setTimeout } = globalThis;
const now = performance.now.bind(performance);

/** The next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** The promise's value, or undefined once the time is up; a rejection counts as an end without a value. */
export function within<T>(timeoutMillis: number, promise: PromiseLike<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, timeoutMillis), undefined);
    const ended = (value: T | undefined) => {
      clearTimeout(timer);
      resolve(value);
    };
    promise.then(ended, () => ended(undefined));
  });
}

/** A moment in the future, as how much is left until then. */
export class Deadline {
  readonly #at: number;

  constructor(timeoutMillis: number) {
    this.#at = now() + timeoutMillis;
  }

  get leftMillis(): number {
    return Math.max(0, this.#at - now());
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
