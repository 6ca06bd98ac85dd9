// One at a time on a sandbox's only connection: a query with its savepoint, or one statement of a transaction.

export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is the caller's turn, in the order of the calls. The returned function ends the turn. */
  async take(): Promise<() => void> {
    const before = this.#last;
    let done!: () => void;
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    return done;
  }
}
