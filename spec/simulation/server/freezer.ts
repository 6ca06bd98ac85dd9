// A process that is stopped for a while (SIGSTOP): it does nothing, and hears no signal but the last.
import type { VirtualClock } from '../clock/virtual-clock';

export class Freezer {
  /** The end of the latest freeze. */
  lastUntil = -1;
  #frozen: Promise<void> | undefined;
  #thaw: (() => void) | undefined;

  constructor(private readonly clock: VirtualClock) {}

  get isFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  freeze(millis: number): void {
    this.#frozen = new Promise((resolve) => {
      this.#thaw = resolve;
      this.clock.input(millis, resolve);
    });
  }

  thaw(): void {
    this.#thaw?.();
  }

  /** Resolves when it is not frozen, or not any more. */
  async thawed(): Promise<void> {
    while (this.#frozen) {
      const frozen = this.#frozen;
      await frozen;
      if (this.#frozen === frozen) this.#frozen = undefined;
      this.lastUntil = this.clock.now;
    }
  }
}
