// Tells of what has been there for too long: once of each, over one timer that is there only while something is watched.

interface AgeLimit<T> {
  /** How long is too long. */
  readonly millis: number;
  /** The clock by which that is measured. */
  readonly now: () => number;
  readonly tell: (entry: T) => void;
}

export class AgeWatch<T extends object> {
  readonly #limit: AgeLimit<T>;
  /** Since when each is there. */
  readonly #since = new Map<T, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: AgeLimit<T>) {
    this.#limit = limit;
  }

  /** @param since it is there; by default from now on */
  add(entry: T, since = this.#limit.now()): void {
    this.#since.set(entry, since);
    this.#timer ??= setTimeout(this.#look, this.#limit.millis).unref();
  }

  delete(entry: T): void {
    if (!this.#since.delete(entry) || this.#since.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const { millis, tell, now } = this.#limit;
    const at = now();
    let nextMillis = Number.POSITIVE_INFINITY;
    for (const [entry, since] of this.#since) {
      const leftMillis = since + millis - at;
      if (leftMillis > 0) {
        nextMillis = Math.min(nextMillis, leftMillis);
      } else {
        this.#since.delete(entry);
        tell(entry);
      }
    }
    if (this.#since.size > 0) this.#timer ??= setTimeout(this.#look, nextMillis).unref();
  };
}
