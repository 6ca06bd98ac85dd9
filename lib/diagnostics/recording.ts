// Records where queries are asked, and what is about to begin. Only on demand, because a stack costs more than the rest of this package together.
import type { QueryOrigin } from '../words/call-site';
import { ASKED_AT, captureCallSite } from '../words/call-site';
import type { AskedBatch, BatchAsked } from '../knex/batch-insert';
import { nextTick } from '../words/foreign';
import { type Deferred, defer, within } from '../words/waiting';

/** Tells of each builder that is made from now on, by whatever entry, and of each batch insert. */
type WatchAsked = (made: (builder: object, entry: unknown) => void, batch: BatchAsked) => void;

/** Knex waits for a millisecond, where the event loop is free. */
const BEGIN_MILLIS = 200;

/** On the builder itself: a WeakMap's entry costs as much as the stack, and keeps what it is about over collections. */
const ASKED = Symbol('knex-reset.asked');

interface Builder {
  [ASKED]?: QueryOrigin;
}

export class Recording {
  readonly #watch: WatchAsked;
  #wanted = 0;
  #isWatching = false;
  #asking: QueryOrigin | undefined;
  #isForgetting = false;
  readonly #beginning = new Set<Deferred<void>>();

  constructor(watch: WatchAsked) {
    this.#watch = watch;
  }

  /** Records until the returned function is called. */
  start(): () => void {
    this.#wanted++;
    if (!this.#isWatching) {
      this.#isWatching = true;
      this.#watch(
        (builder, entry) => this.#made(builder, entry),
        (entry) => this.#batch(entry),
      );
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

  #batch(entry: unknown): AskedBatch {
    if (this.#wanted === 0) return { config: {}, begun: () => {} };
    const beginning = defer();
    this.#beginning.add(beginning);
    const begun = () => {
      this.#beginning.delete(beginning);
      beginning.resolve();
    };
    return { config: { [ASKED_AT]: captureCallSite(entry) }, begun };
  }

  /** Resolves when what was asked so far has begun, or does not begin. Undefined: nothing is to be waited for. */
  get allBegun(): Promise<unknown> | undefined {
    const beginning = [...this.#beginning];
    if (beginning.length === 0) return undefined;
    const begun = within(BEGIN_MILLIS, Promise.all(beginning.map(({ promise }) => promise)));
    return begun.finally(() => {
      for (const each of beginning) this.#beginning.delete(each);
    });
  }

  /** A builder is about to ask for a connection, before anything else happens. One that was given its connection asks for none. */
  running(builder: object): void {
    if (this.#wanted === 0) return;
    this.#asking = (builder as Builder)[ASKED];
    // One at a time: with a driver that answers at once, the tick comes after a hundred thousand queries.
    if (!this.#isForgetting) nextTick(this.#forget);
    this.#isForgetting = true;
  }

  readonly #forget = () => {
    this.#asking = undefined;
    this.#isForgetting = false;
  };

  /** Where the connection that is asked for right now was asked. */
  take(): QueryOrigin | undefined {
    const asking = this.#asking;
    this.#asking = undefined;
    return asking;
  }
}
