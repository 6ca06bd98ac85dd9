// When a cursor of `pg-cursor` may be closed: not between its submission and the description of its rows, which would wake it again.
// It would end a second time then, and the connection be one answer behind from then on.
import type { EventEmitter } from 'node:events';

/** What the server says first of a cursor that was submitted. */
const FIRST = ['rowDescription', 'noData', 'errorMessage', 'end'] as const;

export class CursorClose {
  readonly #wire: EventEmitter;
  #isDescribed = false;
  #close: (() => void) | undefined;

  /** Made before the cursor is submitted. */
  constructor(wire: EventEmitter) {
    this.#wire = wire;
    for (const event of FIRST) wire.on(event, this.#described);
  }

  /** Closes it as soon as that is safe. */
  ask(close: () => void): void {
    if (this.#isDescribed) close();
    else this.#close ??= close;
  }

  readonly #described = (): void => {
    for (const event of FIRST) this.#wire.off(event, this.#described);
    this.#isDescribed = true;
    this.#close?.();
  };
}
