// A test inside another where nothing is undone: the outer one keeps what it has, and what the inner one left is told and ended.
import type { LeakReport } from '../words/types';
import { type Connection, endUse } from './end-use';
import type { Hooked, Isolation } from './isolation';
import { lookForLeaks } from './look-for-leaks';

export class InnerLook implements Isolation {
  readonly hasEnd = false;
  readonly #instance: Hooked['instance'];
  #earlier = new Set<Connection>();

  constructor(instance: Hooked['instance']) {
    this.#instance = instance;
  }

  async open(): Promise<void> {
    this.#earlier = new Set(this.#lent());
  }

  async close(earlier: readonly string[]): Promise<LeakReport> {
    const leaks = await lookForLeaks(this.#instance, earlier);
    for (const connection of this.#lent()) if (!this.#earlier.has(connection)) await endUse(this.#instance, connection);
    return leaks;
  }

  openNow(): string[] {
    return [...this.#instance.open].map((entry) => entry.describe().id);
  }

  nest(): Isolation {
    return new InnerLook(this.#instance);
  }

  #lent(): Connection[] {
    return [...this.#instance.pool.register.connections].filter(({ lent }) => lent);
  }
}
