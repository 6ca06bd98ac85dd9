// What is open longer than it should be: transactions past `leakAfterMillis`, and whatever a test left behind.
import type { Instance, OpenEntry } from '../pool/instance';
import { userFrames } from '../pool/stack';
import type { LeakReport } from '../types';

/** Calls `onLeak` once for each transaction that is open for longer than `leakAfterMillis`. One timer, and only while one is open. */
export class LeakWatch {
  readonly #instance: Instance;
  readonly #reported = new WeakSet<OpenEntry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  opened(): void {
    const { leakAfterMillis, onLeak } = this.#instance.settings;
    if (leakAfterMillis !== undefined && onLeak)
      this.#timer ??= setTimeout(() => this.#look(), leakAfterMillis).unref();
  }

  closed(): void {
    if (this.#instance.open.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { open, settings } = this.#instance;
    const { leakAfterMillis = 0, onLeak } = settings;
    const now = Date.now();
    this.#timer = undefined;
    for (const entry of open) {
      if (this.#reported.has(entry)) continue;
      const leftMillis = entry.openedAt + leakAfterMillis - now;
      if (leftMillis > 0) {
        this.#timer ??= setTimeout(() => this.#look(), leftMillis).unref();
        continue;
      }
      this.#reported.add(entry);
      try {
        onLeak?.(entry.describe());
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }
}

/** What is open or running now. Where a query was asked is known only while the instance records it. */
export function findLeaks({ open, pool }: Instance): LeakReport {
  const entries = [...open].filter((entry) => !entry.isOver);
  const inTransactions = new Set(entries.map((entry) => entry.session));
  const busy = [...pool.sessions].filter((session) => session.lent && !inTransactions.has(session));
  return {
    transactions: entries.map((entry) => entry.describe()),
    queries: busy.map((session) => ({ sql: session.lastSql ?? '', stack: userFrames(session.askedAt?.stack) })),
  };
}
