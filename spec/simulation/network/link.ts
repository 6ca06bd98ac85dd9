// One connection through the simulated network: bytes arrive in order, late, in pieces, or not at all.
import type { VirtualClock } from '../clock/virtual-clock';
import type { Random } from '../random';

/** What one end of a link hears. */
export interface End {
  bytes(chunk: Buffer): void;
  /** The other end has closed its side (FIN). */
  ended(): void;
  /** The connection is reset (RST). */
  reset(): void;
}

export type Side = 'client' | 'server';

/** What happens to packets of one direction. `forgotten`: a middlebox answers them by RST, and the other end hears nothing. */
type Passage = 'open' | 'swallowed' | 'forgotten';

const other = (side: Side): Side => (side === 'client' ? 'server' : 'client');

export class Link {
  readonly #ends: Partial<Record<Side, End>> = {};
  readonly #lastAt = { client: 0, server: 0 };
  /** By the side that sends. */
  readonly #passage: Record<Side, Passage> = { client: 'open', server: 'open' };
  readonly #isGone = { client: false, server: false };
  readonly #isFinished = { client: false, server: false };
  /** When something between the two has first done anything to it. */
  hurtAt: number | undefined;
  /** Added to each delivery while it is set. */
  slownessMillis = 0;

  constructor(
    private readonly clock: VirtualClock,
    private readonly random: Random,
    readonly number: number,
    /** How often a packet is cut into pieces. */
    private readonly fragmentation: number,
  ) {}

  get isHurt(): boolean {
    return this.hurtAt !== undefined;
  }

  attach(side: Side, end: End): void {
    this.#ends[side] = end;
  }

  /** Whether that side has neither closed nor lost it. */
  isOpen(side: Side): boolean {
    return !this.#isGone[side];
  }

  send(from: Side, chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 1 && this.random.chance(this.fragmentation)) {
      const at = this.random.int(1, rest.length - 1);
      this.#packet(from, rest.subarray(0, at));
      rest = rest.subarray(at);
    }
    this.#packet(from, rest);
  }

  /** That side sends no more (FIN), and hears what still comes. */
  finish(from: Side): void {
    if (this.#isFinished[from]) return;
    this.#isFinished[from] = true;
    if (this.#passage[from] === 'forgotten') this.#reset(from);
    else if (this.#passage[from] === 'open') this.#deliver(from, (end) => end.ended());
  }

  /** That side closes: it says goodbye, and hears no more. */
  close(from: Side): void {
    this.finish(from);
    this.#isGone[from] = true;
  }

  /** That side drops the connection without a goodbye (RST). */
  drop(from: Side): void {
    this.#isGone[from] = true;
    if (this.#passage[from] !== 'open') return;
    this.#deliver(from, (end) => end.reset(), 'reset');
  }

  /** Something between the two resets the connection, towards the given sides. */
  cut(...towards: Side[]): void {
    this.hurtAt ??= this.clock.now;
    for (const side of towards) this.#reset(side);
    for (const side of ['client', 'server'] as const) {
      if (this.#passage[side] === 'open') this.#passage[side] = towards.includes(side) ? 'swallowed' : 'forgotten';
    }
  }

  /** Something between the two closes the connection in an orderly way, towards both. */
  end(): void {
    this.hurtAt ??= this.clock.now;
    for (const side of ['client', 'server'] as const) {
      this.#deliver(side, (end) => end.ended());
      this.#passage[side] = 'forgotten';
    }
  }

  /** A middlebox has forgotten the connection: the client's next packet is answered by RST, the server's are lost. */
  forget(): void {
    this.hurtAt ??= this.clock.now;
    this.#passage.client = 'forgotten';
    this.#passage.server = 'swallowed';
  }

  /** Packets of these sides are lost. */
  swallow(...sides: Side[]): void {
    this.hurtAt ??= this.clock.now;
    for (const side of sides) this.#passage[side] = 'swallowed';
  }

  #packet(from: Side, chunk: Buffer): void {
    if (this.#passage[from] === 'swallowed') return;
    if (this.#passage[from] === 'forgotten' || this.#isGone[other(from)]) {
      this.#reset(from);
      return;
    }
    this.#deliver(from, (end) => end.bytes(chunk));
  }

  /** The side learns by RST that there is no connection. */
  #reset(side: Side): void {
    this.clock.input(this.random.between(0.05, 0.5), () => {
      if (this.#isGone[side]) return;
      this.#isGone[side] = true;
      this.#ends[side]?.reset();
    });
  }

  #deliver(from: Side, hear: (end: End) => void, kind?: 'reset'): void {
    const { now } = this.clock;
    const delay = this.random.between(0.05, 0.4) + this.slownessMillis;
    const at = Math.max(now + delay, this.#lastAt[from]);
    this.#lastAt[from] = at;
    const to = other(from);
    this.clock.input(at - now, () => {
      if (this.#isGone[to]) return;
      if (kind === 'reset') this.#isGone[to] = true;
      const end = this.#ends[to];
      if (end) hear(end);
    });
  }
}
