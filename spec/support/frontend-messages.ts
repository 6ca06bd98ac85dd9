// Cuts what a PostgreSQL client sends into its protocol messages, and reads those that the specs look at.

/** A one-letter protocol type, one of the untyped opening messages, or `raw` for an unframed piece of another protocol. */
export type MessageType = 'startup' | 'ssl' | 'gss' | 'cancel' | 'raw' | (string & {});

export interface FrontendMessage {
  type: MessageType;
  bytes: Buffer;
}

const openings: Record<number, MessageType> = { 80877102: 'cancel', 80877103: 'ssl', 80877104: 'gss' };

/** Keeps the incomplete end of one link's bytes until the rest arrives. */
export class FrontendMessages {
  #rest: Buffer = Buffer.alloc(0);
  #started = false;

  *split(chunk: Buffer): Generator<FrontendMessage> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (let message = this.#next(); message; message = this.#next()) yield message;
  }

  #next(): FrontendMessage | undefined {
    const lengthAt = this.#started ? 1 : 0;
    if (this.#rest.length < lengthAt + 4) return undefined;
    const end = lengthAt + this.#rest.readInt32BE(lengthAt);
    if (this.#rest.length < end) return undefined;
    const bytes = this.#rest.subarray(0, end);
    this.#rest = this.#rest.subarray(end);
    if (this.#started) return { type: String.fromCharCode(bytes.readUInt8(0)), bytes };
    const type = openings[bytes.readInt32BE(4)] ?? 'startup';
    this.#started = type === 'startup'; // the others are answered by, or followed by, another opening
    return { type, bytes };
  }
}

/** The SQL of a simple query or of a Parse. */
export function sqlOf({ type, bytes }: FrontendMessage): string | undefined {
  if (type === 'Q') return stringAt(bytes, 5);
  if (type === 'P') return stringAt(bytes, bytes.indexOf(0, 5) + 1); // the statement's name comes first
  return undefined;
}

/** The process id that a CancelRequest names. */
export function cancelledPid({ type, bytes }: FrontendMessage): number | undefined {
  return type === 'cancel' ? bytes.readInt32BE(8) : undefined;
}

function stringAt(bytes: Buffer, start: number): string {
  return bytes.toString('utf8', start, bytes.indexOf(0, start));
}
