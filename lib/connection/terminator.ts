// Ends sessions on their server from outside: over one side connection for all that are to be ended at the same time.
import type { ServerSession, SideConnection } from '../drivers/side-connection';
import { inBackground } from '../words/foreign';
import { type Deadline, type Deferred, defer, within, sleep } from '../words/waiting';
import type { HealthState } from './health';
import { GOODBYE_MILLIS, leaveSide, type Session } from './side-connection';

/** What became of the session: it was there and has been ended, or the server has, or had, none of that id. */
export type Fate = 'terminated' | 'gone';

/** How long after a side connection that led nowhere the next one is tried, at first. */
const RETRY_MILLIS = 50;
const LAST_RETRY_MILLIS = 400;
/**
 * How long the first side connection may be silent before another is tried, since its packets may be lost: at most, and as a share of the
 * time. The next one may be silent for twice as long, which leaves two within the time.
 */
const SILENCE_MILLIS = 500;
const SILENCE_SHARE = 1 / 3;
/** How long after a look the next one comes, at first and at last. */
const FIRST_LOOK_MILLIS = 2;
const LAST_LOOK_MILLIS = 50;

/** One that can be ended. */
interface Terminable extends Session {
  readonly health: { readonly state: HealthState };
  /** A reset ends it. */
  readonly isSeized: boolean;
}

interface Request {
  readonly connection: Terminable;
  readonly done: Deferred<Fate | 'out of reach'>;
  wasThere: boolean;
}

export class Terminator {
  readonly #batches = new Set<Batch>();

  /** Resolves with what became of it. Undefined: it is not known by the deadline, or there is no way to find out. */
  async end(connection: Terminable, deadline: Deadline): Promise<Fate | undefined> {
    const { driver, backendId } = connection;
    if (!driver.openSideConnection || backendId === undefined) return undefined;
    const request: Request = { connection, done: defer(), wasThere: false };
    for (;;) {
      const batch = this.#batchFor(connection, deadline);
      batch.add(request);
      const fate = await within(deadline, request.done.promise);
      if (fate === undefined) batch.giveUp(request);
      // The last one sees it closed.
      if (batch.isEmpty) await within(GOODBYE_MILLIS, batch.closed);
      if (fate === 'out of reach') return undefined;
      // A waiter with more time may have come meanwhile.
      if (fate !== undefined || deadline.leftMillis < 1) return fate;
    }
  }

  /** No side connection is open. */
  get isIdle(): boolean {
    return this.#batches.size === 0;
  }

  /** Resolves with that. */
  async whenIdle(): Promise<void> {
    await Promise.all([...this.#batches].map(({ closed }) => closed));
  }

  #batchFor(connection: Terminable, deadline: Deadline): Batch {
    for (const batch of this.#batches) if (batch.isFor(connection)) return batch;
    const batch = new Batch(connection, Math.min(SILENCE_MILLIS, deadline.leftMillis * SILENCE_SHARE));
    this.#batches.add(batch);
    inBackground(batch.closed.finally(() => this.#batches.delete(batch)));
    return batch;
  }
}

/** Whether a side connection led anywhere. */
type Led = 'through' | 'nowhere' | 'into silence' | 'no way';

class Batch {
  readonly #first: Terminable;
  readonly #requests = new Set<Request>();
  readonly #emptied = defer();
  #isOver = false;
  #isGivenUp = false;
  /** Resolves when its side connection is closed. */
  readonly closed: Promise<void>;

  constructor(first: Terminable, silenceMillis: number) {
    this.#first = first;
    this.closed = this.#run(silenceMillis);
  }

  get isEmpty(): boolean {
    return this.#requests.size === 0;
  }

  isFor({ driver, raw }: Terminable): boolean {
    return !this.#isOver && (driver.isSameServer?.(this.#first.raw, raw) ?? false);
  }

  add(request: Request): void {
    this.#requests.add(request);
  }

  /** Its time is up. */
  giveUp(request: Request): void {
    this.#delete(request);
    this.#isGivenUp = this.#isOver;
  }

  #delete(request: Request): void {
    this.#requests.delete(request);
    if (this.#requests.size > 0) return;
    this.#isOver = true;
    this.#emptied.resolve();
  }

  /** Until there is no waiter any more. */
  async #run(silenceMillis: number): Promise<void> {
    await Promise.resolve();
    const { driver, raw } = this.#first;
    let silence = silenceMillis;
    for (let pause = RETRY_MILLIS; !this.#isOver; pause = Math.min(2 * pause, LAST_RETRY_MILLIS)) {
      const led = await this.#endOver(driver.openSideConnection?.(raw), silence);
      if (led === 'no way') for (const request of this.#requests) this.#settle(request, 'out of reach');
      if (led === 'through') return;
      if (led === 'into silence') silence *= 2;
      else await within(pause, this.#emptied.promise);
    }
  }

  /** Returns whether the side connection was opened. If not, another may be tried: a refused connection proves nothing, since sessions outlive the process that listens. */
  async #endOver(side: SideConnection | undefined, silenceMillis: number): Promise<Led> {
    if (!side) return 'no way';
    const led = (await Promise.race([this.#endAll(side, silenceMillis), this.#emptied.promise])) ?? 'through';
    // One that is silent is cut, as is one that was waited for in vain: the time is up.
    await leaveSide(side, this.#isGivenUp || led === 'into silence' ? 0 : GOODBYE_MILLIS);
    return led;
  }

  #settle(request: Request, fate: Fate | 'out of reach'): void {
    request.done.resolve(fate);
    this.#delete(request);
  }

  async #endAll(side: SideConnection, silenceMillis: number): Promise<Led> {
    for (let pause = FIRST_LOOK_MILLIS; this.#requests.size > 0; pause = Math.min(2 * pause, LAST_LOOK_MILLIS)) {
      const asked = [...this.#requests];
      const told = side.terminate(asked.map(({ connection }) => sessionOf(connection)));
      const answer = await within(
        silenceMillis,
        Promise.race([told.catch(() => 'nowhere' as const), this.#emptied.promise.then(() => 'through' as const)]),
      );
      if (answer === undefined) return 'into silence';
      if (typeof answer === 'string') return answer;
      const left = new Set(answer);
      for (const request of asked) {
        if (left.has(request.connection.backendId as number)) request.wasThere = true;
        else this.#settle(request, request.wasThere ? 'terminated' : 'gone');
      }
      if (left.size > 0) await sleep(pause);
    }
    return 'through';
  }
}

function sessionOf(connection: Terminable): ServerSession {
  const { state } = connection.health;
  return {
    id: connection.backendId as number,
    ageMillis: connection.ageMillis,
    // Its outcome may be asked for: only a reset ends it in the middle of that.
    sparesCommit: state.is === 'dead' && state.inCommit && !connection.isSeized,
  };
}
