// The time that a teardown may take. A later call with less time shortens it.
import { Deadline, EXTENSION_MILLIS } from '../words/waiting';

export class TeardownTime {
  /** Until then what runs may end by itself. */
  readonly grace: Deadline;
  readonly hasGrace: boolean;
  #timeoutMillis: number;
  /** For all of it. */
  readonly #whole: Deadline;

  constructor(graceMillis: number, timeoutMillis: number) {
    this.grace = new Deadline(graceMillis);
    this.hasGrace = graceMillis > 0;
    this.#timeoutMillis = timeoutMillis;
    this.#whole = new Deadline(graceMillis + timeoutMillis);
  }

  /**
   * The grace is over, perhaps early. Returns until when the rest has to be over. Where a blocked event loop has used up the time, there is
   * still enough to tell the server: what is not stopped now goes on for as long as it likes.
   */
  end(): Deadline {
    const late = this.#whole.lateMillis;
    if (late > 0) return new Deadline(Math.min(late, EXTENSION_MILLIS));
    const end = new Deadline(this.#timeoutMillis);
    end.follow(this.#whole);
    return end;
  }

  /** A waiter has no more time than this. */
  hurry(graceMillis: number, timeoutMillis: number): void {
    this.#timeoutMillis = Math.min(this.#timeoutMillis, timeoutMillis);
    this.grace.hurry(graceMillis);
    this.#whole.hurry(graceMillis + timeoutMillis);
  }
}
