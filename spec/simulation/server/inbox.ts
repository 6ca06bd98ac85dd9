// What has arrived on a backend's socket and is not read yet.
import type { Asked } from '../wire/frontend';

/** `end of stream`: the client has closed, or the connection is reset. */
export type Arrived = Asked | { is: 'end of stream' };

export class Inbox {
  #arrived: Arrived[] = [];
  #reader: ((arrived: Arrived) => void) | undefined;

  push(arrived: Arrived): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) reader(arrived);
    else this.#arrived.push(arrived);
  }

  /** What was not read is lost with the connection. */
  reset(): void {
    this.#arrived = [];
    this.push({ is: 'end of stream' });
  }

  next(): Promise<Arrived> {
    const first = this.#arrived.shift();
    if (first) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }
}
