// The real pools behind the one that knex sees, one after the other, with the same listeners.
import { type PendingAcquire, TarnPool } from '../knex/tarn';

export type Listener = (...args: unknown[]) => void;

/** The pool of one generation: a tarn pool of our own, or one that the user gave. */
export interface RealPool {
  readonly min: number;
  readonly max: number;
  /** Lends an idle connection that is fit, without a wait. Undefined: there is none, or others wait already. */
  lendIdle?(isFit: (raw: object) => boolean): object | undefined;
  acquire(): PendingAcquire;
  release(raw: object): boolean;
  /** Rejects a pending acquire. */
  turnAway(pending: PendingAcquire, error: unknown): void;
  /** Forgets a connection that is closed elsewhere. */
  remove(raw: object): void;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingCreates(): number;
  numPendingValidations(): number;
  on?(event: string, listener: Listener): void;
  removeListener?(event: string, listener: Listener): void;
}

export class RealPools {
  readonly #build: () => TarnPool;
  #present: RealPool | undefined;
  #retired: TarnPool | undefined;
  /** Built here, for this instance alone. */
  #isOwn = false;
  #listeners: [string, Listener][] = [];
  /** Of the latest one, for the time between two. */
  #limits = { min: 0, max: 0 };

  /** @param build makes the next one, knex's way */
  constructor(build: () => TarnPool) {
    this.#build = build;
  }

  /** That of now. Undefined: the next request has it built. */
  get present(): RealPool | undefined {
    return this.#present;
  }

  get hasListeners(): boolean {
    return this.#listeners.length > 0;
  }

  /** Begins with the pool that the instance had before, and with its listeners. One that the user gave is the only one. */
  beginWith(first: RealPool): void {
    this.#present = first;
    this.#listeners = this.#tarn?.listeners() ?? [];
  }

  /** The present one, unless it is the user's. */
  get #tarn(): TarnPool | undefined {
    return this.#present instanceof TarnPool ? this.#present : undefined;
  }

  /** The present one, built where there is none yet. */
  current(): RealPool {
    if (!this.#present) {
      const tarn = this.#build();
      for (const [event, listener] of this.#listeners) tarn.on(event, listener);
      this.#present = tarn;
      this.#isOwn = true;
    }
    return this.#present;
  }

  /**
   * Nothing that was opened for the present one is lent any more. A pool with nothing lent or under
   * way and without listeners is as good as a new one once it is empty, and costs a third of it: it stays.
   */
  retire(): void {
    if (this.#isOwn && !this.hasListeners && this.#tarn?.clear()) return;
    this.retireForGood();
  }

  /** The next borrower gets a new pool. */
  retireForGood(): void {
    const { min, max } = this;
    this.#limits = { min, max };
    const tarn = this.#tarn;
    if (!tarn) return;
    tarn.dismiss();
    this.#retired = tarn;
    this.#present = undefined;
  }

  /** Connections that are being opened for the retired one are not waited for. */
  abandonRetired(): void {
    this.#retired?.abandonOpenings();
    this.#retired = undefined;
  }

  get min(): number {
    return this.#present?.min ?? this.#limits.min;
  }

  get max(): number {
    return this.#present?.max ?? this.#limits.max;
  }

  on(event: string, listener: Listener): void {
    this.#listeners.push([event, listener]);
    this.#present?.on?.(event, listener);
  }

  removeListener(event: string, listener: Listener): void {
    const latest = this.#listeners.findLastIndex((entry) => entry[0] === event && entry[1] === listener);
    if (latest >= 0) this.#listeners.splice(latest, 1);
    this.#present?.removeListener?.(event, listener);
  }

  removeAllListeners(event: string): void {
    const named = this.#listeners.filter(([name]) => name === event);
    for (const [name, listener] of named) this.removeListener(name, listener);
  }
}
