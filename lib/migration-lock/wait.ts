// How long a runner waits for others, and what ends the wait before.
import { type Deadline, sleep } from '../words/waiting';

export interface Wait {
  readonly deadline: Deadline;
  readonly waitMillis: number;
  /** @throws where there is nothing to wait for any more */
  goOn(this: void): void;
}

/** The pause between two tries. */
const POLL_MILLIS = 50;

/** How long a runner that has lost its lock may take to notice, and to stop. */
const STOP_MILLIS = 1000;

/** Lets a runner stop that has just lost its lock. */
export async function holdOn({ goOn }: Wait): Promise<void> {
  await sleep(STOP_MILLIS);
  goOn();
}

export async function pause({ deadline, goOn }: Wait): Promise<void> {
  await sleep(Math.min(POLL_MILLIS, deadline.leftMillis));
  goOn();
}
