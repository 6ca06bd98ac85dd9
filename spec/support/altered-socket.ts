// A socket on which the server's words are changed, for what no server here would say. Both texts have the same length.
import net from 'node:net';

export class AlteredSocket extends net.Socket {
  readonly #said: string;
  readonly #heard: string;

  constructor(said: string, heard: string) {
    super();
    this.#said = said;
    this.#heard = heard;
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const [chunk] = args;
    if (event !== 'data' || !Buffer.isBuffer(chunk)) return super.emit(event, ...args);
    const heard = chunk.toString('latin1').replaceAll(this.#said, this.#heard);
    return super.emit(event, Buffer.from(heard, 'latin1'));
  }
}
