// One client's way through the fault proxy: its two sockets, and what can be done to them.
import type net from 'node:net';

/** Up is towards the server. */
export type Direction = 'up' | 'down';

/** How the sender's side ended: orderly (FIN), or not (RST, or no server there). */
export type LinkEnd = 'fin' | 'lost';

export class ProxyLink {
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<unknown>;
  readonly #client: net.Socket;
  readonly #upstream: net.Socket;
  #isCut = false;
  #swallowsAnswers = false;

  constructor(client: net.Socket, upstream: net.Socket) {
    this.#client = client;
    this.#upstream = upstream;
    const ends = [client, upstream].map((socket) => {
      socket.on('error', () => {}); // the pumps hear of it as well
      return new Promise((resolve) => socket.once('close', resolve));
    });
    this.closed = Promise.all(ends);
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  swallows(direction: Direction): boolean {
    return direction === 'down' && this.#swallowsAnswers;
  }

  swallowAnswers(): void {
    this.#swallowsAnswers = true;
  }

  /** Hands over one piece after the other until the sender ends. */
  async pump(direction: Direction, handle: (chunk: Buffer) => Promise<void>): Promise<LinkEnd> {
    const from = direction === 'up' ? this.#client : this.#upstream;
    try {
      // A socket that has ended may still be written to.
      for await (const chunk of from.iterator({ destroyOnReturn: false })) await handle(chunk as Buffer);
      return 'fin';
    } catch {
      return 'lost';
    }
  }

  /** Resolves when the bytes are with the operating system, or can no longer get there. */
  send(direction: Direction, bytes: Buffer): Promise<void> {
    const to = this.#receiver(direction);
    return new Promise((resolve) => {
      if (to.destroyed) resolve();
      else to.write(bytes, () => resolve());
    });
  }

  passOn(direction: Direction, end: LinkEnd): void {
    if (this.#isCut) return;
    const to = this.#receiver(direction);
    if (end === 'fin') to.end();
    else abort(to);
  }

  /** RST to the client; the server gets what was sent so far and then the end, so that it is sure to act on it. */
  cut(): void {
    this.#isCut = true;
    abort(this.#client);
    this.#upstream.end();
  }

  reset(): void {
    abort(this.#client);
    abort(this.#upstream);
  }

  fin(): void {
    this.#client.end();
    this.#upstream.end();
  }

  #receiver(direction: Direction): net.Socket {
    return direction === 'up' ? this.#upstream : this.#client;
  }
}

/**
 * RST, which a Unix socket does not have. Not on top of a FIN that is under way: Node takes the socket for closed then,
 * though it never is, and does not end.
 */
export function abort(socket: net.Socket): void {
  const isUnix = socket.remoteAddress === undefined;
  if (isUnix || (socket.writableEnded && !socket.writableFinished)) socket.destroy();
  else socket.resetAndDestroy();
}
