// A pool that the user owns (`connectionPool`): connections are taken from it and given back, nothing else.
import { inBackground, promised, valueOr } from '../words/foreign';
import { markDisposed } from '../knex/connection-mark';
import type { KnexPool } from '../knex/pool-shape';
import { isStandIn } from '../knex/stand-in';
import { isTarn, type PendingAcquire, TarnPool } from '../knex/tarn';
import type { Listener, Listeners, RealPool } from './real-pools';

export class ExternalPool implements RealPool, Listeners {
  readonly #pool: KnexPool & Partial<Omit<RealPool, keyof KnexPool> & Listeners>;
  readonly #tarn: TarnPool | undefined;
  readonly #listeners: [string, Listener][] = [];

  constructor(pool: KnexPool) {
    this.#pool = pool;
    this.#tarn = isTarn(pool) ? new TarnPool(pool) : undefined;
  }

  get min(): number {
    return this.#pool.min ?? 0;
  }

  get max(): number {
    return this.#pool.max ?? 0;
  }

  acquire(): PendingAcquire {
    const promise = this.#ask();
    let give!: (error: unknown) => void;
    const given = new Promise<never>((_, reject) => {
      give = reject;
    });
    let isRejected = false;
    // The owner's queue cannot be left: a connection that comes after all goes straight back.
    promise.then(
      (raw) => {
        if (isRejected) valueOr(false, () => this.release(raw));
      },
      () => {},
    );
    return {
      promise: Promise.race([promise, given]),
      reject: (error) => {
        isRejected = true;
        give(error);
      },
    };
  }

  turnAway(pending: ReadonlyMap<PendingAcquire, unknown>): void {
    for (const [each, error] of pending) each.reject(error);
  }

  async #ask(): Promise<object> {
    return this.#pool.acquire().promise;
  }

  /** Throws where the pool does: knex's caller hears of it. */
  release(raw: object): boolean {
    const released: unknown = this.#pool.release(raw);
    // One that gives a promise must not end the process by its rejection.
    if (typeof released === 'object') inBackground(promised(() => released));
    return released as boolean;
  }

  remove(raw: object): void {
    // One that stands in for the pool of a resettable instance keeps its own books.
    if (this.#tarn && !isStandIn(this.#pool)) {
      this.#tarn.remove(raw);
    } else {
      markDisposed(raw, new Error('closed by knex-reset'));
      valueOr(false, () => this.release(raw));
    }
  }

  /** One that stands in for the pool of a resettable instance closes the connection by itself, and tells of it. */
  tellClosing(raw: object, isLent: boolean): (() => void) | undefined {
    return isStandIn(this.#pool) ? undefined : this.#tarn?.tellClosing(raw, isLent);
  }

  /** Those of this instance: the owner has others. */
  get listeners(): Listeners {
    return this;
  }

  on(event: string, listener: Listener): void {
    this.#listeners.push([event, listener]);
    this.#pool.on?.(event, listener);
  }

  removeListener(event: string, listener: Listener): void {
    const latest = this.#listeners.findLastIndex((entry) => entry[0] === event && entry[1] === listener);
    if (latest >= 0) this.#listeners.splice(latest, 1);
    this.#pool.removeListener?.(event, listener);
  }

  removeAllListeners(event: string): void {
    const named = this.#listeners.filter(([name]) => name === event);
    for (const [name, listener] of named) this.removeListener(name, listener);
  }

  numUsed(): number {
    return valueOr(0, () => this.#pool.numUsed?.() ?? 0);
  }

  numFree(): number {
    return valueOr(0, () => this.#pool.numFree?.() ?? 0);
  }

  numPendingAcquires(): number {
    return valueOr(0, () => this.#pool.numPendingAcquires?.() ?? 0);
  }

  numPendingCreates(): number {
    return valueOr(0, () => this.#pool.numPendingCreates?.() ?? 0);
  }

  numPendingValidations(): number {
    return valueOr(0, () => this.#pool.numPendingValidations?.() ?? 0);
  }
}
