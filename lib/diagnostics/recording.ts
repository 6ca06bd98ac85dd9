// Where queries are asked: recorded only while somebody wants to know, because a stack costs more than the rest of this package together.
import type { Asked } from '../pool/ambient';
import { captureStack } from '../pool/stack';

export class Recording {
  #wanted = 0;
  #stacks = new WeakMap<object, Asked>();
  #asking: Asked | undefined;

  get isOn(): boolean {
    return this.#wanted > 0;
  }

  /** Records until the returned function is called. */
  start(): () => void {
    this.#wanted++;
    let isOn = true;
    return () => {
      if (isOn) this.#wanted--;
      isOn = false;
    };
  }

  /** A builder was made: this is where the user's frames are. Where it runs, `await` has lost them. */
  made(builder: object, entry: unknown): void {
    if (this.#wanted > 0) this.#stacks.set(builder, Object.assign(captureStack(entry), { builder }));
  }

  /** A builder is about to ask for a connection, before anything else happens. */
  running(builder: object): void {
    if (this.#wanted > 0) this.#asking = this.#stacks.get(builder);
  }

  /** Where the connection that is asked for right now was asked. */
  take(): Asked | undefined {
    const asking = this.#asking;
    this.#asking = undefined;
    return asking;
  }
}
