// What the client says, message by message, decoded as far as the simulated server needs it.
import { type FrontendMessage, FrontendMessages } from '../../support/frontend-messages';

export type Asked =
  | { is: 'startup'; parameters: Record<string, string> }
  | { is: 'cancel'; pid: number; key: number }
  | { is: 'query'; sql: string }
  | { is: 'parse'; name: string; sql: string }
  | { is: 'bind'; portal: string; statement: string; values: (string | null)[] }
  | { is: 'describe'; what: 'S' | 'P'; name: string }
  | { is: 'execute'; portal: string; rows: number }
  | { is: 'close'; what: 'S' | 'P'; name: string }
  | { is: 'sync' }
  | { is: 'flush' }
  | { is: 'terminate' }
  | { is: 'strange'; type: string };

class Body {
  constructor(
    private readonly bytes: Buffer,
    private at: number,
  ) {}

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length - 1;
  }

  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }

  letter(): string {
    this.at += 1;
    return String.fromCharCode(this.bytes.readUInt8(this.at - 1));
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  value(): string | null {
    const length = this.int32();
    if (length < 0) return null;
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }
}

function decodeOpening({ type, bytes }: FrontendMessage): Asked {
  const body = new Body(bytes, 8);
  if (type === 'cancel') return { is: 'cancel', pid: body.int32(), key: body.int32() };
  if (type !== 'startup') return { is: 'strange', type };
  const parameters: Record<string, string> = {};
  while (!body.isAtEnd) parameters[body.text()] = body.text();
  return { is: 'startup', parameters };
}

function decodeBind(body: Body): Asked {
  const portal = body.text();
  const statement = body.text();
  for (let formats = body.int16(); formats > 0; formats -= 1) body.int16();
  const values = Array.from({ length: body.int16() }, () => body.value());
  return { is: 'bind', portal, statement, values };
}

function decode(message: FrontendMessage): Asked {
  if (message.type.length > 1) return decodeOpening(message);
  const body = new Body(message.bytes, 5);
  switch (message.type) {
    case 'Q':
      return { is: 'query', sql: body.text() };
    case 'P':
      return { is: 'parse', name: body.text(), sql: body.text() };
    case 'B':
      return decodeBind(body);
    case 'D':
      return { is: 'describe', what: body.letter() as 'S' | 'P', name: body.text() };
    case 'E':
      return { is: 'execute', portal: body.text(), rows: body.int32() };
    case 'C':
      return { is: 'close', what: body.letter() as 'S' | 'P', name: body.text() };
    case 'S':
      return { is: 'sync' };
    case 'H':
      return { is: 'flush' };
    case 'X':
      return { is: 'terminate' };
    default:
      return { is: 'strange', type: message.type };
  }
}

/** Cuts the bytes of one link into messages; keeps the incomplete end until the rest arrives. */
export class Reader {
  readonly #messages = new FrontendMessages();

  *read(chunk: Buffer): Generator<Asked> {
    for (const message of this.#messages.split(chunk)) yield decode(message);
  }
}
