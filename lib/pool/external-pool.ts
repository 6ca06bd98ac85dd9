// A pool that the user owns (`connectionPool`): connections are taken from it and given back, nothing else.
import { valueOr } from '../words/foreign';
import { markDisposed } from '../knex/connection-mark';
import type { KnexPool } from '../knex/pool-shape';
import { isStandIn } from '../knex/stand-in';
import { isTarn, type PendingAcquire, TarnPool } from '../knex/tarn';
import type { Listener, RealPool } from './real-pools';

export class ExternalPool implements RealPool {
  readonly #pool: KnexPool & Partial<Omit<RealPool, keyof KnexPool>>;
  readonly #tarn: TarnPool | undefined;

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

  turnAway(pending: PendingAcquire, error: unknown): void {
    pending.reject(error);
  }

  async #ask(): Promise<object> {
    return this.#pool.acquire().promise;
  }

  /** Throws where the pool does: knex's caller hears of it. */
  release(raw: object): boolean {
    return this.#pool.release(raw);
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

  on(event: string, listener: Listener): void {
    this.#pool.on?.(event, listener);
  }

  removeListener(event: string, listener: Listener): void {
    this.#pool.removeListener?.(event, listener);
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
