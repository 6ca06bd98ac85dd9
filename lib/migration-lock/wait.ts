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

export async function pause(
  { deadline, goOn }: Wait,
  millis = Math.min(POLL_MILLIS, deadline.leftMillis),
): Promise<void> {
  await sleep(millis);
  goOn();
}
