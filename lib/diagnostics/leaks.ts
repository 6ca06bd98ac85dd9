// Reports transactions that are open for longer than `leakAfterMillis`.
import { AgeWatch } from '../pool/age-watch';
import type { OpenEntry } from '../pool/open-entry';
import { inBackground } from '../words/foreign';
import type { Settings } from '../words/options';

/** Calls `onLeak` once for each transaction that is open for longer than `leakAfterMillis`. */
export class LeakWatch {
  readonly #watch: AgeWatch<OpenEntry> | undefined;

  constructor({ leakAfterMillis, onLeak }: Settings) {
    if (leakAfterMillis === undefined || !onLeak) return;
    this.#watch = new AgeWatch({
      millis: leakAfterMillis,
      now: () => Date.now(),
      tell: (entry) => inBackground(tell(onLeak, entry)),
    });
  }

  /** A sandbox that is open is no leak. */
  opened(entry: OpenEntry): void {
    if (!entry.sandbox) this.#watch?.add(entry, entry.openedAt);
  }

  closed(entry: OpenEntry): void {
    this.#watch?.delete(entry);
  }
}

/** It is not awaited: what it throws, at once or later, is a warning. */
async function tell(onLeak: NonNullable<Settings['onLeak']>, entry: OpenEntry): Promise<void> {
  const told: unknown = onLeak(entry.describe());
  await told;
}
