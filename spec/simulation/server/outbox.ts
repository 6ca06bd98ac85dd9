// What a backend has to say, and has not sent yet.
import type { Link } from '../network/link';

export class Outbox {
  #unsent: Buffer[] = [];

  constructor(private readonly link: Link) {}

  say(...messages: Buffer[]): void {
    this.#unsent.push(...messages);
  }

  flush(): void {
    const bytes = this.#take();
    if (bytes.length > 0 && this.link.isOpen('server')) this.link.send('server', bytes);
  }

  /** Sends the first part only; the rest is never said. */
  flushHalf(): void {
    const bytes = this.#take();
    this.link.send('server', bytes.subarray(0, Math.ceil(bytes.length / 2)));
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#unsent);
    this.#unsent = [];
    return bytes;
  }
}
