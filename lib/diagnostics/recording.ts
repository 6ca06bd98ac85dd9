// Records where queries are asked. Only on demand, because a stack costs more than the rest of this package together.
import type { QueryOrigin } from '../words/call-site';
import { captureCallSite } from '../words/call-site';
import { nextTick } from '../words/foreign';

/** Tells of each builder that is made from now on, by whatever entry. */
export type WatchBuilders = (made: (builder: object, entry: unknown) => void) => void;

/** On the builder itself: a WeakMap's entry costs as much as the stack, and keeps what it is about over collections. */
const ASKED = Symbol('knex-reset.asked');

interface Builder {
  [ASKED]?: QueryOrigin;
}

export class Recording {
  readonly #watch: WatchBuilders;
  #wanted = 0;
  #isWatching = false;
  #asking: QueryOrigin | undefined;

  constructor(watch: WatchBuilders) {
    this.#watch = watch;
  }

  /** Records until the returned function is called. */
  start(): () => void {
    this.#wanted++;
    if (!this.#isWatching) {
      this.#isWatching = true;
      this.#watch((builder, entry) => this.#made(builder, entry));
    }
    let isOn = true;
    return () => {
      if (isOn) this.#wanted--;
      isOn = false;
    };
  }

  /** Where a builder is made are the user's frames. Where it runs, `await` has lost them. */
  #made(builder: object, entry: unknown): void {
    if (this.#wanted === 0) return;
    const asked: QueryOrigin = captureCallSite(entry);
    asked.builder = builder;
    (builder as Builder)[ASKED] = asked;
  }

  /** A builder is about to ask for a connection, before anything else happens. One that was given its connection asks for none. */
  running(builder: object): void {
    if (this.#wanted === 0) return;
    this.#asking = (builder as Builder)[ASKED];
    nextTick(this.#forget);
  }

  readonly #forget = () => {
    this.#asking = undefined;
  };

  /** Where the connection that is asked for right now was asked. */
  take(): QueryOrigin | undefined {
    const asking = this.#asking;
    this.#asking = undefined;
    return asking;
  }
}
