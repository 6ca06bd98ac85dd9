// The grace of a reset: what runs may end by itself for a while.
import { within } from '../words/waiting';
import type { Connection } from '../connection/connection';
import type { Instance } from '../pool/instance';
import type { TeardownTime } from './teardown-time';

/** Waits out the grace period. Ends early when nothing runs. */
export async function waitOutGrace({ pool }: Instance, { grace }: TeardownTime): Promise<void> {
  while (grace.leftMillis > 0) {
    const busy = [...pool.register.connections].filter(isBusy);
    if (busy.length === 0) return;
    const rests = busy.map((connection) =>
      connection.mutex.isShared ? connection.whenQuiet() : connection.whenReturned(),
    );
    await within(grace, Promise.race(rests));
  }
}

/** A sandbox never ends by itself: what runs in it may. */
function isBusy({ lent, isGivenBack, mutex, isQuiet }: Connection): boolean {
  return lent && !isGivenBack && !(mutex.isShared && isQuiet);
}
