// The callbacks that run in one attempt at a block: its own, and those of the blocks and transactions inside. The next attempt waits for all of
// them, also where the one around has not.
import { type Deferred, defer } from '../words/waiting';

export class Callbacks {
  #running = 0;
  #over: Deferred<void> | undefined;

  get areRunning(): boolean {
    return this.#running > 0;
  }

  /** Counts one until its promise is settled. */
  watch(callback: PromiseLike<unknown>): void {
    this.#running++;
    const ends = () => {
      if (--this.#running === 0) this.#over?.resolve();
    };
    callback.then(ends, ends);
  }

  /** Resolves when none runs. */
  get whenOver(): Promise<void> {
    this.#over = defer();
    if (!this.areRunning) this.#over.resolve();
    return this.#over.promise;
  }
}
