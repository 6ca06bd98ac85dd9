// The acquires that wait for a connection, and the gate that a reset closes for later ones.
import type { PendingAcquire } from '../knex/tarn';
import { type Deferred, defer } from '../words/waiting';
import type { QueryOrigin } from '../words/call-site';

/** A query that waits for a connection. */
export interface Waiter {
  pending: PendingAcquire;
  askedAt: QueryOrigin | undefined;
  /** Why it gets no connection, once that is so. */
  verdict?: unknown;
  /** Asked before the instance was resettable: what it gets is out of our hands. */
  isEarlier?: boolean;
}

/** The verdict on a pending acquire that is to be asked again behind the gate. */
export const REQUEUE = Symbol('ask again');

export class AcquireQueue {
  readonly #waiters = new Set<Waiter>();
  /** Closed while a reset runs: an acquire waits for its end. */
  #gate: Deferred<void> | undefined;
  #heldAtGate = 0;
  /** After `destroy()`: every acquire rejects. */
  isClosed = false;

  /** Whether an acquire need not wait for a reset. */
  get isOpen(): boolean {
    return this.#gate === undefined && !this.isClosed;
  }

  get isGated(): boolean {
    return this.#gate !== undefined;
  }

  /** Those behind the gate. */
  get heldAtGate(): number {
    return this.#heldAtGate;
  }

  /** The acquires that wait for a connection of the real pool. */
  get waiting(): number {
    return this.#waiters.size;
  }

  closeGate(): void {
    this.#gate ??= defer();
  }

  openGate(): void {
    const gate = this.#gate;
    this.#gate = undefined;
    gate?.resolve();
  }

  add(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  delete(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** Settles every pending acquire by one verdict, each with an error of its own. Returns their number. */
  turnAway(error: () => Error, how: 'reject' | 'requeue', tell: (waiter: Waiter) => void): number {
    const waiters = [...this.#waiters];
    for (const waiter of waiters) {
      waiter.verdict = how === 'requeue' && !waiter.isEarlier ? REQUEUE : error();
      tell(waiter);
    }
    return waiters.length;
  }

  /** Resolves when the gate is open. */
  async passed(): Promise<void> {
    if (this.isClosed) throw new Error('Unable to acquire a connection');
    this.#heldAtGate++;
    try {
      while (this.#gate !== undefined) await this.#gate.promise;
    } finally {
      this.#heldAtGate--;
    }
    if (this.isClosed) throw new Error('Unable to acquire a connection');
  }
}
