// What was started inside a transaction and is not done: its end waits for it.
import { nextTurn } from '../words/waiting';
import { InnerFailures } from './inner-failures';

export class Work {
  /** Queries and inner blocks that were started inside and are not done. */
  #pending = 0;
  /** Wakes the end that waits for them. */
  #wake: (() => void) | undefined;
  /** What has failed inside and the callback may not know. */
  readonly failures = new InnerFailures();
  /** The callback's promise is not settled. */
  isCallbackRunning = false;
  /** beforeCommit hooks run. */
  isInHooks = false;
  /** Blocks with `savepoint: false` that run in it. */
  joined = 0;
  /** Statements of its own that wait for their turn or have it; counted in sandboxes only. */
  running = 0;

  get isPending(): boolean {
    return this.#pending > 0;
  }

  /** Something was started. Returns what says that it is done. */
  enter(): () => void {
    this.#pending++;
    let isInside = true;
    return () => {
      if (isInside && --this.#pending === 0) this.wake();
      isInside = false;
    };
  }

  /** A block has joined. Returns what says that it is done. */
  join(): () => void {
    this.joined++;
    const leave = this.enter();
    return () => {
      this.joined--;
      leave();
    };
  }

  /** Waits for what was started, and for what that starts, as long as there is a reason to. */
  async drained(isWanted: () => boolean): Promise<void> {
    while (this.isPending && isWanted()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await nextTurn();
    }
  }

  /** Has the end look again whether it should go on waiting. */
  wake(): void {
    this.#wake?.();
  }
}
