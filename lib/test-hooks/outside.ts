// What is open outside of a test's sandbox. It is the test's, unless it was there before.
import { ResetError } from '../words/errors';
import type { LeakReport } from '../words/types';
import { Deadline, nextTurn } from '../words/waiting';
import type { Connection, InstanceUnderTest, OpenEntry, OpenThings } from './isolation';
import { lookForLeaks, openIn, SETTLE_MILLIS } from './look-for-leaks';
import { REASON } from './unheard';

export class Outside {
  readonly #instance: InstanceUnderTest;
  readonly #reset: () => Promise<void>;
  /** What is not the test's: transactions, and leases of connections. */
  #spared = new Set<object>();

  /** @param reset ends everything of the instance */
  constructor(instance: InstanceUnderTest, reset: () => Promise<void>) {
    this.#instance = instance;
    this.#reset = reset;
  }

  /** What is open now is not the test's. */
  spare(): void {
    this.#spared = new Set<object>([...this.#instance.open, ...this.#allLent().map(({ lease }) => lease)]);
  }

  /**
   * Ends what earlier tests and hooks have left, where it does not end by itself soon. A connection that is held by hand and at rest, as that
   * of a listener, disturbs nobody.
   */
  async clear(): Promise<void> {
    const deadline = new Deadline(SETTLE_MILLIS);
    while (this.#disturbs && deadline.leftMillis > 0) await nextTurn();
    if (this.#disturbs) {
      for (const connection of this.#lent()) if (!isBusy(connection)) this.#spared.add(connection.lease);
      await this.end(new Set());
    }
    this.spare();
  }

  get #disturbs(): boolean {
    return this.#instance.pool.waiting > 0 || this.#open().length > 0 || this.#lent().some(isBusy);
  }

  /** @param earlier what is not the test's */
  async look(earlier: OpenThings): Promise<LeakReport> {
    const { pool } = this.#instance;
    if (pool.waiting + this.#open().length + this.#lent().length === 0) return { transactions: [], queries: [] };
    return lookForLeaks({ ...this.#watched, waiting: () => pool.waiting }, earlier);
  }

  openNow(): OpenThings {
    return openIn(this.#watched);
  }

  get #watched() {
    return { open: () => this.#open(), connections: () => this.#lent() };
  }

  /** Ends what is the test's, and every wait for a connection: by a reset, where nothing else would be ended with it. */
  async end(earlier: OpenThings): Promise<void> {
    for (const entry of this.#open()) {
      if (earlier.has(entry.describe().id)) this.#spared.add(entry).add(entry.connection.lease);
    }
    for (const { lease } of this.#lent()) if (earlier.has(lease)) this.#spared.add(lease);
    if (!this.#hasOthers) return this.#reset();
    const { pool, resets } = this.#instance;
    pool.turnAway(() => new ResetError({ reason: REASON, generation: resets.count }), 'reject');
    await this.#instance.endSome(this.#lent(), this.#open(), REASON);
  }

  /** Something is still open that is not the test's. */
  get #hasOthers(): boolean {
    const isSpared = ({ lease }: Connection) => this.#spared.has(lease);
    return this.#allOpen().some((entry) => this.#spared.has(entry)) || this.#allLent().some(isSpared);
  }

  #open(): OpenEntry[] {
    return this.#allOpen().filter((entry) => !this.#spared.has(entry) && !this.#isOfSandbox(entry.connection));
  }

  #lent(): Connection[] {
    return this.#allLent().filter((each) => !this.#spared.has(each.lease) && !this.#isOfSandbox(each));
  }

  #allOpen(): OpenEntry[] {
    return [...this.#instance.open].filter((entry) => !entry.holdsNothing);
  }

  #allLent(): Connection[] {
    return [...this.#instance.pool.register.connections].filter(({ lent }) => lent);
  }

  #isOfSandbox(connection: Connection): boolean {
    return this.#instance.ambient.pinned?.connection === connection;
  }
}

function isBusy(connection: Connection): boolean {
  return connection.user !== undefined || connection.running > 0 || !connection.isClean;
}
