// A test inside another where nothing is undone: the outer one keeps what it has, and what the inner one left is told and ended.
import type { LeakReport } from '../words/types';
import type { Connection, InstanceUnderTest, Isolation, OpenThings } from './isolation';
import { isEmpty, lookForLeaks, openIn, watched } from './look-for-leaks';
import { REASON } from './unheard';

export class InnerLook implements Isolation {
  readonly hasEnd = false;
  readonly #instance: InstanceUnderTest;
  /** Leases: a connection may go from the outer test to this one. */
  #earlier = new Set<object>();

  constructor(instance: InstanceUnderTest) {
    this.#instance = instance;
  }

  async open(): Promise<void> {
    this.#earlier = new Set(this.#lent().map(({ lease }) => lease));
  }

  async close(earlier: OpenThings): Promise<LeakReport> {
    const leaks = await lookForLeaks(watched(this.#instance), earlier);
    const left = this.#lent().filter(({ lease }) => !this.#earlier.has(lease));
    const open = [...this.#instance.open].filter((entry) => !entry.holdsNothing);
    const entries = open.filter((entry) => !earlier.has(entry.describe().id));
    await this.#instance.endSome(left, entries, REASON);
    return leaks;
  }

  openNow(): OpenThings {
    return openIn(watched(this.#instance));
  }

  async hasOpen(earlier: OpenThings): Promise<boolean> {
    return !isEmpty(await lookForLeaks(watched(this.#instance), earlier));
  }

  nest(): Isolation {
    return new InnerLook(this.#instance);
  }

  #lent(): Connection[] {
    return [...this.#instance.pool.register.connections].filter(({ lent }) => lent);
  }
}
