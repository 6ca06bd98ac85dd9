// Reports transactions that are open for longer than `leakAfterMillis`.
import { AgeWatch } from '../pool/age-watch';
import type { OpenEntry } from '../pool/open-entry';
import { inBackground } from '../words/foreign';
import type { Settings } from '../words/options';

/** A transaction as it is watched. */
interface WatchedEntry extends OpenEntry {
  /** For the user: in a sandbox it is a savepoint. */
  readonly isOutermost: boolean;
}

/** Calls `onLeak` once for each transaction that is open for longer than `leakAfterMillis`. */
export class LeakWatch {
  readonly #watch: AgeWatch<WatchedEntry> | undefined;

  constructor({ leakAfterMillis, onLeak }: Settings) {
    if (leakAfterMillis === undefined || !onLeak) return;
    this.#watch = new AgeWatch({
      millis: leakAfterMillis,
      now: () => Date.now(),
      tell: (entry) => inBackground(tell(onLeak, entry)),
    });
  }

  /** A sandbox that is open is no leak. What the app has open in it may be one. */
  begun(entry: WatchedEntry): void {
    if (entry.isOutermost && !entry.sandbox) this.#watch?.add(entry, entry.openedAt);
  }

  ended(entry: object): void {
    this.#watch?.delete(entry as WatchedEntry);
  }
}

/** It is not awaited: what it throws, at once or later, is a warning. */
async function tell(onLeak: NonNullable<Settings['onLeak']>, entry: OpenEntry): Promise<void> {
  const told: unknown = onLeak(entry.describe());
  await told;
}
