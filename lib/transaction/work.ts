// What was started inside a transaction and is not done: its end waits for it.
import { nextTurn } from '../words/waiting';
import type { Failure } from './state';

type Unawaited = Failure & { readonly what: 'a query of' | 'a block in' };

export class Work {
  /** Queries and inner blocks that were started inside and are not done. */
  #pending = 0;
  /** Wakes the end that waits for them. */
  #wake: (() => void) | undefined;
  /** What a query or inner block failed of that the callback had not waited for. */
  unawaited: Unawaited | undefined;
  /** Inner blocks that have failed before their promise had a handler. */
  readonly unheard: { failure: Unawaited; isHeard(): boolean }[] = [];
  /** The callback's promise is not settled. */
  isCallbackRunning = false;
  /** beforeCommit hooks run. */
  isInHooks = false;
  /** Blocks with `savepoint: false` that run in it. */
  joined = 0;
  /** How often its connection was taken inside, and not given back: by queries, for as long as they run, and by hand. */
  taken = 0;
  /** Statements of its own that wait for their turn or have it; counted in sandboxes only. */
  running = 0;

  get isPending(): boolean {
    return this.#pending > 0;
  }

  /** The failures inside whose promise had no handler. */
  get lost(): Unawaited | undefined {
    return this.unawaited ?? this.unheard.find((each) => !each.isHeard())?.failure;
  }

  /** Knex gives the connection of a stream back twice. */
  giveBack(): void {
    if (this.taken > 0) this.taken--;
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
