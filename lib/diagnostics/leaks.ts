// Reports transactions that are open for longer than `leakAfterMillis`.
import type { Instance, OpenEntry } from '../pool/instance';
import { inBackground } from '../words/foreign';
import type { ResettableOptions } from '../words/types';

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
      if (this.#reported.has(entry) || entry.sandbox) continue;
      const leftMillis = entry.openedAt + leakAfterMillis - now;
      if (leftMillis > 0) {
        this.#timer ??= setTimeout(() => this.#look(), leftMillis).unref();
        continue;
      }
      this.#reported.add(entry);
      inBackground(tell(onLeak, entry));
    }
  }
}

/** It is not awaited: what it throws, at once or later, is a warning. */
async function tell(onLeak: ResettableOptions['onLeak'], entry: OpenEntry): Promise<void> {
  const told: unknown = onLeak?.(entry.describe());
  await told;
}
