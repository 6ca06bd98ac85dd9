// The time that a teardown may take, and the wait for what may end by itself in its grace. A later call with less time shortens it.
import { Deadline, EXTENSION_MILLIS, within } from '../words/waiting';

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
    this.#whole.hurry(this.#timeoutMillis);
    return this.#whole;
  }

  /** A waiter has no more time than this. */
  hurry(graceMillis: number, timeoutMillis: number): void {
    this.#timeoutMillis = Math.min(this.#timeoutMillis, timeoutMillis);
    this.grace.hurry(graceMillis);
    this.#whole.hurry(graceMillis + timeoutMillis);
  }
}

/** A connection, as far as it is waited for. */
interface Used {
  readonly lent: boolean;
  readonly isGivenBack: boolean;
  readonly isQuiet: boolean;
  readonly mutex: { readonly isShared: boolean };
  whenQuiet(): Promise<void>;
  readonly lease: { whenOver(): Promise<void> };
}

/** A transaction, as far as it is waited for. */
interface Open {
  readonly connection: Used;
  readonly holdsNothing: boolean;
  readonly whenDecided: Promise<void>;
}

/** What may be in use, on connections of ours or of the user's. */
interface Uses {
  readonly pool: { readonly register: { readonly connections: ReadonlySet<Used> } };
  readonly open: ReadonlySet<Open>;
}

/** Waits out the grace period. Ends early when nothing runs. */
export async function waitOutGrace({ pool, open }: Uses, { grace }: TeardownTime): Promise<void> {
  const { connections } = pool.register;
  while (grace.leftMillis > 0) {
    const busy = [...connections].filter(isBusy);
    const foreign = [...open].filter(({ connection, holdsNothing }) => !holdsNothing && !connections.has(connection));
    if (busy.length + foreign.length === 0) return;
    const rests = busy.map((each) => (each.mutex.isShared ? each.whenQuiet() : each.lease.whenOver()));
    await within(grace, Promise.race([...rests, ...foreign.map(({ whenDecided }) => whenDecided)]));
  }
}

/** A sandbox never ends by itself: what runs in it may. */
function isBusy({ lent, isGivenBack, mutex, isQuiet }: Used): boolean {
  return lent && !isGivenBack && !(mutex.isShared && isQuiet);
}
