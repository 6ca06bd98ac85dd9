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
  /** Made before the instance was resettable: it cannot be made again. */
  readonly isEarlier: boolean;
  /** What a reset has decided for it while it waited: `REQUEUE`, or its error. */
  verdict: Verdict | undefined;
}

/** What an opening ends with that a reset, or the death of another connection, has ended. A request that relied on it is made again. */
export class EndedOpening extends Error {}

/** The verdict on a request that is to be made again behind the gate. */
const REQUEUE: unique symbol = Symbol('ask again');
type Verdict = Error | typeof REQUEUE;

/**
 * `inside`: it shares the connection of the transaction around it. `now`: a connection of the real pool is for it.
 * `held`: it waits at the gate, and is made again behind it. `rejected`: by its verdict, or because the instance is destroyed.
 */
export type Admission = 'inside' | 'now' | 'held' | 'rejected';

export class AcquireQueue {
  readonly #waiting = new Map<Request, PendingAcquire>();
  /** Closed while a reset runs. */
  #gate: Deferred<void> | undefined;
  #heldAtGate = 0;
  /** After `destroy()`, until the instance is opened again. */
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

  get heldAtGate(): number {
    return this.#heldAtGate;
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

  /** Resolves when the gate is open. */
  async passed(): Promise<void> {
    this.#heldAtGate++;
    try {
      while (this.#gate !== undefined) await this.#gate.promise;
    } finally {
      this.#heldAtGate--;
    }
  }

  /** It waits at the real pool. */
  add(request: Request, pending: PendingAcquire): void {
    this.#waiting.set(request, pending);
  }

  delete(request: Request): void {
    this.#waiting.delete(request);
  }

  /** Gives each request at the real pool its verdict: an error of its own, or to be made again. Returns their number. */
  turnAway(
    how: 'reject' | 'requeue',
    error: () => Error,
    tell: (pending: PendingAcquire, verdict: Verdict) => void,
  ): number {
    const waiting = [...this.#waiting];
    for (const [request, pending] of waiting) {
      request.verdict = how === 'requeue' && !request.isEarlier ? REQUEUE : error();
      tell(pending, request.verdict);
    }
    return waiting.length;
  }
}
