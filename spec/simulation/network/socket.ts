// The client's end of a link, as pg sees it: what it uses of a `net.Socket`.
import { AsyncResource } from 'node:async_hooks';
import { Duplex } from 'node:stream';
import type { End, Link } from './link';
import type { Network } from './network';

type Done = (error?: Error | null) => void;

function socketError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall, errno: -1 });
}

export class SimulatedSocket extends Duplex implements End {
  /** What arrives runs in the async context in which the socket was made, as on a real one. */
  readonly #resource = new AsyncResource('SimulatedSocket');
  #link: Link | undefined;
  #isReset = false;

  constructor(
    private readonly network: Network,
    /** How it was made: by the factory that the instance was given, or by the driver itself. */
    readonly way: 'factory' | 'address',
  ) {
    super({ allowHalfOpen: false, autoDestroy: true, emitClose: true });
  }

  connect(): this {
    this.network.connect(this);
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  connected(link: Link): void {
    this.#link = link;
    link.attach('client', this);
    this.#hear(() => this.emit('connect'));
  }

  refused(code: string): void {
    this.#hear(() => this.destroy(socketError(code, 'connect')));
  }

  bytes(chunk: Buffer): void {
    if (!this.destroyed) this.#hear(() => this.push(chunk));
  }

  ended(): void {
    if (!this.destroyed) this.#hear(() => this.push(null));
  }

  reset(): void {
    this.#isReset = true;
    if (!this.destroyed) this.#hear(() => this.destroy(socketError('ECONNRESET', 'read')));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    if (!this.#link) {
      this.once('connect', () => this._write(chunk, '', done));
      return;
    }
    if (this.#isReset) {
      done(socketError('EPIPE', 'write'));
      return;
    }
    this.#link.send('client', chunk);
    done();
  }

  override _final(done: Done): void {
    this.#link?.finish('client');
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    if (this.#link?.isOpen('client')) this.#link.close('client');
    this.network.forgotten(this);
    done(error);
  }

  #hear(event: () => void): void {
    this.#resource.runInAsyncScope(event);
  }
}
