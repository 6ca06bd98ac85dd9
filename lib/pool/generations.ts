// Generations of real pools behind one object that users read and listen to as if it never changed.
import type { TarnPool } from '../knex/tarn';
import type { PoolHost } from './pool-host';
import type { RealPool } from './real-pool';

type Listener = (...args: unknown[]) => void;

export abstract class Generations {
  readonly host: PoolHost;
  #real: RealPool | undefined;
  #retired: TarnPool | undefined;
  /** Built here, for this instance alone. */
  #isOwn = false;
  #listeners: [string, Listener][] = [];
  #lastMin = 0;
  #lastMax = 0;

  constructor(host: PoolHost) {
    this.host = host;
  }

  /** The real pool of now. */
  get lender(): RealPool | undefined {
    return this.#real;
  }

  protected get tarn(): TarnPool | undefined {
    return this.host.isExternal ? undefined : (this.#real as TarnPool | undefined);
  }

  protected get hasListeners(): boolean {
    return this.#listeners.length > 0;
  }

  /** Begins with the pool that the instance had before, and with its listeners. */
  protected beginWith(first: RealPool): void {
    this.#real = first;
    this.#listeners = this.tarn?.listeners() ?? [];
  }

  /** The pool of this generation, made where there is none yet. */
  protected current(): RealPool {
    if (!this.#real) {
      const tarn = this.host.build();
      for (const [event, listener] of this.#listeners) tarn.on(event, listener);
      this.#real = tarn;
      this.#isOwn = true;
    }
    return this.#real;
  }

  /**
   * Ends the generation: nothing that was opened for it is lent any more. A pool with nothing lent or under
   * way and without listeners is as good as a new one once it is empty, and costs a third of it: it serves the next generation too.
   */
  retire(): void {
    if (this.#isOwn && !this.hasListeners && this.tarn?.clear()) return;
    this.retireForGood();
  }

  /** The next borrower gets a new pool. */
  retireForGood(): void {
    this.#lastMin = this.min;
    this.#lastMax = this.max;
    if (this.host.isExternal) return;
    this.#retired = this.tarn;
    this.#retired?.dismiss();
    this.#real = undefined;
  }

  protected abandonRetired(): void {
    this.#retired?.abandonOpenings();
    this.#retired = undefined;
  }

  // What people and metric exporters read.

  get min(): number {
    return this.#real?.min ?? this.#lastMin;
  }

  get max(): number {
    return this.#real?.max ?? this.#lastMax;
  }

  numUsed(): number {
    return this.#real?.numUsed() ?? 0;
  }

  numFree(): number {
    return this.#real?.numFree() ?? 0;
  }

  numPendingAcquires(): number {
    return this.#real?.numPendingAcquires() ?? 0;
  }

  numPendingCreates(): number {
    return this.#real?.numPendingCreates() ?? 0;
  }

  numPendingValidations(): number {
    return this.#real?.numPendingValidations() ?? 0;
  }

  on(event: string, listener: Listener): void {
    this.#listeners.push([event, listener]);
    this.#real?.on?.(event, listener);
  }

  removeListener(event: string, listener: Listener): void {
    this.#listeners = this.#listeners.filter((entry) => entry[0] !== event || entry[1] !== listener);
    this.#real?.removeListener?.(event, listener);
  }

  removeAllListeners(event: string): void {
    for (const [name, listener] of this.#listeners) if (name === event) this.removeListener(name, listener);
  }
}
