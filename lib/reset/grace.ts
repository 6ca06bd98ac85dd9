// The grace of a reset: what runs may end by itself for a while.
import { within } from '../words/waiting';
import type { TeardownTime } from './teardown-time';

/** A connection, as far as it is waited for. */
interface Used {
  readonly lent: boolean;
  readonly isGivenBack: boolean;
  readonly isQuiet: boolean;
  readonly mutex: { readonly isShared: boolean };
  whenQuiet(): Promise<void>;
  readonly lease: { whenOver(): Promise<void> };
}

/** Waits out the grace period. Ends early when nothing runs. */
export async function waitOutGrace(connections: Iterable<Used>, { grace }: TeardownTime): Promise<void> {
  while (grace.leftMillis > 0) {
    const busy = [...connections].filter(isBusy);
    if (busy.length === 0) return;
    const rests = busy.map((connection) =>
      connection.mutex.isShared ? connection.whenQuiet() : connection.lease.whenOver(),
    );
    await within(grace, Promise.race(rests));
  }
}

/** A sandbox never ends by itself: what runs in it may. */
function isBusy({ lent, isGivenBack, mutex, isQuiet }: Used): boolean {
  return lent && !isGivenBack && !(mutex.isShared && isQuiet);
}
