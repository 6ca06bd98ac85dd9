// The requests for a connection: the one rule of admission, the gate that a reset closes for later ones, and those that wait at the real pool.
import type { PendingAcquire } from '../knex/tarn';
import type { QueryOrigin } from '../words/call-site';
import { type Deferred, defer } from '../words/waiting';
import type { EnclosingTransaction } from './ambient';

/** A request for a connection, of a query or a transaction. */
export interface Request {
  readonly askedAt: QueryOrigin | undefined;
  /** The transaction that it has to run in. */
  readonly enclosing: EnclosingTransaction | undefined;
  /** By what this package knows one of its own again, where it waits for no more than a time. */
  readonly borrower?: object | undefined;
  /** Made before the instance was resettable: it cannot be made again. */
  readonly isEarlier: boolean;
  /** What a reset has decided for it while it waited: `REQUEUE`, or its error. */
  verdict: Verdict | undefined;
}

/** The real pool, as it is asked. */
interface Asked {
  acquire(): PendingAcquire;
  turnAway(pending: Verdicts): void;
}

/** What an opening ends with that a reset, or the death of another connection, has ended. A request that relied on it is made again. */
export class EndedOpening extends Error {}

/** How many more are rejected, and how many more are to be made again. */
export interface TurnedAway {
  readonly rejected: number;
  readonly requeued: number;
}

/** The verdict on a request that is to be made again behind the gate. */
const REQUEUE: unique symbol = Symbol('ask again');
type Verdict = Error | typeof REQUEUE;

/** Those at the real pool that wait no longer, with what each gets. */
type Verdicts = ReadonlyMap<PendingAcquire, unknown>;

/** Has the real pool end their wait, all at once: ten thousand may wait. */
type Tell = (pending: Verdicts) => void;

/**
 * `inside`: it shares the connection of the transaction around it. `now`: a connection of the real pool is for it.
 * `held`: it waits at the gate, and is made again behind it. `rejected`: by its verdict, or because the instance is destroyed.
 */
export type Admission = 'inside' | 'now' | 'held' | 'rejected';

export class AcquireQueue {
  /** Those that the real pool has still to answer. Undefined: it is just being asked. */
  readonly #waiting = new Map<Request, PendingAcquire | undefined>();
  /** Closed while a reset or a `destroy()` runs that has something to end. */
  #gate: Deferred<void> | undefined;
  /** Those that wait at it. */
  readonly #held = new Set<Request>();
  /** From `destroy()` on, until the instance is opened again. */
  isClosed = false;
  /** While there is one, each request is rejected with it. */
  readonly bars = new Set<() => Error>();

  /** What becomes of a request: asked when it is made, and again when the real pool has answered it. */
  admissionOf({ enclosing, verdict }: Request): Admission {
    if (enclosing !== undefined) return 'inside';
    if (this.isClosed || this.bars.size > 0 || (verdict !== undefined && verdict !== REQUEUE)) return 'rejected';
    return this.#gate !== undefined || verdict === REQUEUE ? 'held' : 'now';
  }

  /** The error of a request that is rejected. */
  refusalOf({ verdict }: Request): Error {
    if (verdict instanceof Error) return verdict;
    const [bar] = this.bars;
    return bar?.() ?? new Error('Unable to acquire a connection');
  }

  get isGateClosed(): boolean {
    return this.#gate !== undefined;
  }

  /** A request waits that may have a connection. */
  get isServing(): boolean {
    return this.#gate === undefined && this.#waiting.size > 0;
  }

  get heldAtGate(): number {
    return this.#held.size;
  }

  /** The number of those that the real pool has still to answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  closeGate(): void {
    this.#gate ??= defer();
  }

  openGate(): void {
    const gate = this.#gate;
    this.#gate = undefined;
    gate?.resolve();
  }

  /** Goes on when the gate is open, and holds the request until that very moment. Rejects when it is turned away there. */
  async passed<T>(request: Request, goOn: () => T): Promise<Awaited<T>> {
    this.#held.add(request);
    try {
      while (this.#gate !== undefined) {
        await this.#gate.promise;
        if (request.verdict instanceof Error) throw request.verdict;
      }
    } finally {
      this.#held.delete(request);
    }
    return await goOn();
  }

  /** Asks the real pool for it. It waits from then on: user code that the pool calls at once may call for a reset. */
  ask(request: Request, pool: Asked): Promise<object> {
    this.#waiting.set(request, undefined);
    const pending = pool.acquire();
    this.add(request, pending);
    if (request.verdict !== undefined) pool.turnAway(new Map([[pending, request.verdict]]));
    return pending.promise;
  }

  /** It waits at the real pool. */
  add(request: Request, pending: PendingAcquire): void {
    this.#waiting.set(request, pending);
  }

  delete(request: Request): void {
    this.#waiting.delete(request);
  }

  /**
   * Gives each request that waits its verdict: an error of its own, or to be made again. That of a later call counts: one that was to be
   * made again may be rejected after all.
   */
  turnAway(how: 'reject' | 'requeue', error: () => Error, tell: Tell): TurnedAway {
    const turned = { rejected: 0, requeued: 0 };
    const told = new Map<PendingAcquire, Verdict>();
    for (const request of [...this.#waiting.keys(), ...this.#held]) {
      if (request.verdict instanceof Error) continue;
      if (request.verdict === REQUEUE) turned.requeued--;
      const verdict = how === 'requeue' && !request.isEarlier ? REQUEUE : error();
      turned[verdict === REQUEUE ? 'requeued' : 'rejected']++;
      this.#judge(request, verdict, told);
    }
    if (told.size > 0) tell(told);
    if (how === 'reject') this.#wakeHeld();
    return turned;
  }

  /** What a borrower of this package's own has asked is not waited for any more. */
  giveUp(borrower: object, tell: Tell): void {
    const told = new Map<PendingAcquire, Verdict>();
    for (const request of [...this.#waiting.keys(), ...this.#held]) {
      if (request.borrower === borrower) this.#judge(request, new Error('the time for this is up'), told);
    }
    if (told.size > 0) tell(told);
    this.#wakeHeld();
  }

  /** At the gate it hears its verdict by `#wakeHeld()`, or when the gate opens. */
  #judge(request: Request, verdict: Verdict, told: Map<PendingAcquire, Verdict>): void {
    request.verdict = verdict;
    const pending = this.#waiting.get(request);
    if (pending) told.set(pending, verdict);
  }

  /** The gate stays closed to those that come. */
  #wakeHeld(): void {
    if (this.#held.size === 0) return;
    this.#gate?.resolve();
    this.#gate &&= defer();
  }
}

/** Of a dialect that has one connection for good. */
export function closedBefore(): Error {
  return new Error(
    'knex-reset: the connection that was opened is one that was closed before, by a reset for one; a dialect with only one connection, ' +
      'such as PGlite, needs a new instance then',
  );
}
