// The real pools behind the one that knex sees, one after the other. Their listeners are told as those of one pool, which ends with `knex.destroy()`.
import { type PendingAcquire, TarnPool } from '../knex/tarn';
import { valueOr } from '../words/foreign';

export type Listener = (...args: unknown[]) => void;

export interface Listeners {
  on(event: string, listener: Listener): unknown;
  removeListener(event: string, listener: Listener): unknown;
  removeAllListeners(event: string): unknown;
}

/** The pool of one generation: a tarn pool of our own, or one that the user gave. */
export interface RealPool {
  readonly min: number;
  readonly max: number;
  /** Lends an idle connection that is fit, without a wait. Undefined: there is none, or others wait already. */
  lendIdle?(isFit: (raw: object) => boolean): object | undefined;
  acquire(): PendingAcquire;
  release(raw: object): boolean;
  /** Rejects pending acquires, each with an error of its own. */
  turnAway(pending: ReadonlyMap<PendingAcquire, unknown>): void;
  /** Forgets a connection that is closed elsewhere. */
  remove(raw: object): void;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingCreates(): number;
  numPendingValidations(): number;
  readonly listeners: Listeners;
  /** Listeners hear that a connection is being closed. Returns what tells them that it is closed. Undefined: nobody listens. */
  tellClosing?(raw: object, isLent: boolean): (() => void) | undefined;
}

export class RealPools {
  readonly #build: () => TarnPool;
  #present: RealPool | undefined;
  /** The present one, or the last one until the next is built. Undefined: the user's is the only one. */
  #tarn: TarnPool | undefined;
  /** Built here, for this instance alone. */
  #isOwn = false;
  #hasListeners = false;

  /** @param build makes the next one, knex's way */
  constructor(build: () => TarnPool) {
    this.#build = build;
  }

  /** That of now. Undefined: the next request has it built. */
  get present(): RealPool | undefined {
    return this.#present;
  }

  get #latest(): RealPool | undefined {
    return this.#present ?? this.#tarn;
  }

  /** Begins with the pool that the instance had before, and with its listeners. One that the user gave is the only one. */
  beginWith(first: RealPool): void {
    this.#present = first;
    if (first instanceof TarnPool) this.#tarn = first;
    this.#lookForListeners();
  }

  /** The present one, built where there is none yet. */
  current(): RealPool {
    if (!this.#present) {
      const tarn = this.#build();
      if (this.#tarn) tarn.succeed(this.#tarn);
      this.#present = this.#tarn = tarn;
      this.#isOwn = true;
    }
    return this.#present;
  }

  /** One that it has lent, and that nobody uses, comes back. Listeners hear of it also where the pool has let go of it. */
  release(raw: object): boolean {
    return valueOr(false, () => this.#latest?.release(raw) ?? false);
  }

  /**
   * Nothing that was opened for the present one is lent any more. A pool with nothing lent or under
   * way is as good as a new one once it is empty, and costs a third of it: it stays.
   */
  retire(): void {
    if (!this.#isOwn || !this.#tarn?.clear()) this.retireForGood();
  }

  /** The next borrower gets a new pool. */
  retireForGood(): void {
    if (!this.#tarn || !this.#present) return;
    this.#tarn.dismiss();
    this.#present = undefined;
  }

  /** Connections that are being opened for the retired one are not waited for. */
  abandonRetired(): void {
    if (!this.#present) this.#tarn?.abandonOpenings();
  }

  get min(): number {
    return this.#latest?.min ?? 0;
  }

  get max(): number {
    return this.#latest?.max ?? 0;
  }

  /** Of a pool of our own. */
  get hasListeners(): boolean {
    return this.#hasListeners;
  }

  #lookForListeners(): void {
    this.#hasListeners = (this.#tarn?.listeners.eventNames().length ?? 0) > 0;
  }

  on(event: string, listener: Listener): void {
    this.#latest?.listeners.on(event, listener);
    this.#lookForListeners();
  }

  removeListener(event: string, listener: Listener): void {
    this.#latest?.listeners.removeListener(event, listener);
    this.#lookForListeners();
  }

  removeAllListeners(event: string): void {
    this.#latest?.listeners.removeAllListeners(event);
    this.#lookForListeners();
  }

  /** From now on nobody listens. */
  dropListeners(): void {
    this.#tarn?.listeners.removeAllListeners();
    this.#lookForListeners();
  }

  /** Listeners hear that a connection is being closed. Returns what tells them that it is closed. Undefined: nobody listens. */
  tellClosing(raw: object, isLent: boolean): (() => void) | undefined {
    return valueOr(undefined, () => this.#latest?.tellClosing?.(raw, isLent));
  }

  /** Listeners hear that the pool ends. Returns what tells them that it has. Undefined: it is the user's. */
  tellEnd(): (() => void) | undefined {
    return this.#tarn?.tellEnd();
  }
}
