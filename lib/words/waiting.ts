// Waits with a bound, and leaves no timer behind.

// Taken when this is loaded: a test may fake the clock, while what is waited for here goes on.
const { clearTimeout, setImmediate, setTimeout } = globalThis;
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
const EXTENSION_MILLIS = 100;

/** How long something may take: in milliseconds from now, or until a deadline. */
export type TimeLimit = number | Deadline;

/**
 * The promise's value, or undefined once the time is up; a rejection counts as an end without a value. Where the event loop was
 * blocked, expired timers run before the answers that wait in the sockets: lateness is proven one turn after the timer, and where the
 * timer itself is late, as much later.
 */
export function within<T>(limit: TimeLimit, promise: PromiseLike<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const deadline = Deadline.of(limit);
    let timer: NodeJS.Timeout | undefined;
    let isExtended = false;
    const expired = () => {
      const late = deadline.lateMillis;
      if (late <= BLOCKED_MILLIS || isExtended) return void setImmediate(ended, undefined);
      isExtended = true;
      timer = setTimeout(expired, Math.min(late, EXTENSION_MILLIS));
    };
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(expired, deadline.leftMillis);
    };
    const forget = deadline.onHurry(arm);
    const ended = (value: T | undefined) => {
      clearTimeout(timer);
      forget();
      resolve(value);
    };
    arm();
    promise.then(ended, () => ended(undefined));
  });
}

/** A moment in the future, as how much is left until then. It can be moved forward, never back. */
export class Deadline {
  #at: number;
  #hurried: Set<() => void> | undefined;

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

  /** It is no later than that from now on. */
  hurry(timeoutMillis: number): void {
    const at = now() + Math.max(0, timeoutMillis);
    if (at >= this.#at) return;
    this.#at = at;
    for (const told of this.#hurried ?? []) told();
  }

  /** It is never later than the other one, whenever that is moved. Returns what ends that. */
  follow(other: Deadline): () => void {
    this.hurry(other.leftMillis);
    return other.onHurry(() => this.hurry(other.leftMillis));
  }

  /** Ends after a share of what is left, also of what is left after a hurry. */
  part(share: number): Deadline {
    const part = new Deadline(this.leftMillis * share);
    this.onHurry(() => part.hurry(this.leftMillis * share));
    return part;
  }

  /** Called whenever it was moved forward. Returns what ends that. */
  onHurry(told: () => void): () => void {
    this.#hurried ??= new Set();
    this.#hurried.add(told);
    return () => this.#hurried?.delete(told);
  }
}

/**
 * Work with several waiters. Each waiter has its own deadline, and one that ends before the work's shortens the work's.
 * It starts with its first waiter: whatever the work calls in its first turn can see already that it is under way.
 */
export class SharedWork<T> {
  readonly #deadline: Deadline;
  readonly #done = defer<T>();
  #work: ((deadline: Deadline) => Promise<T>) | undefined;

  constructor(limit: TimeLimit, work: (deadline: Deadline) => Promise<T>) {
    this.#deadline = new Deadline(Deadline.of(limit).leftMillis);
    this.#work = work;
    this.#done.promise.catch(() => {});
  }

  /** Its result. Undefined: it failed, or has not ended by then. */
  async join(limit: TimeLimit): Promise<T | undefined> {
    this.#start();
    const deadline = Deadline.of(limit);
    const leave = this.#deadline.follow(deadline);
    try {
      return await within(deadline, this.#done.promise);
    } finally {
      leave();
    }
  }

  #start(): void {
    const work = this.#work;
    this.#work = undefined;
    if (work) this.#done.resolve(work(this.#deadline));
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
