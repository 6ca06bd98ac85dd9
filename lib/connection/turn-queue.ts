// Gives turns in the order of the calls, one at a time. Each wait is bounded; closing ends them all.
import { type Deferred, defer, within } from '../words/waiting';
import { type TurnHolder, turnRefused } from './mutex';

export class TurnQueue {
  readonly #waitMillis: number;
  readonly #waiting: { holder: TurnHolder; turn: Deferred<'turn' | 'closed'> }[] = [];
  #holder: TurnHolder | undefined;
  #closed: Error | undefined;

  constructor(waitMillis: number) {
    this.#waitMillis = waitMillis;
  }

  get holder(): TurnHolder | undefined {
    return this.#holder;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** False: it is the turn of another holder. */
  takeNow(holder: TurnHolder): boolean {
    if (this.#closed || this.#holder) return false;
    this.#holder = holder;
    return true;
  }

  /** Resolves when it is the caller's turn. */
  async next(holder: TurnHolder): Promise<void> {
    if (this.#holder && !this.#closed) await this.#wait(holder);
    // Also where it came between the turn and its start.
    if (this.#closed) throw this.#closed;
    this.#holder = holder;
  }

  /** Lets the next one have its turn. */
  end(): void {
    const next = this.#waiting.shift();
    this.#holder = next?.holder;
    next?.turn.resolve('turn');
  }

  close(error: Error): void {
    this.#closed ??= error;
    for (const { turn } of this.#waiting.splice(0)) turn.resolve('closed');
  }

  async #wait(holder: TurnHolder): Promise<void> {
    const waiting = { holder, turn: defer<'turn' | 'closed'>() };
    this.#waiting.push(waiting);
    const came = await within(this.#waitMillis, waiting.turn.promise);
    if (came !== undefined) return;
    const place = this.#waiting.indexOf(waiting);
    // The turn came in the same moment.
    if (place < 0) return;
    this.#waiting.splice(place, 1);
    throw turnRefused(this.#waitMillis, 'its only connection is held by', (this.#holder as TurnHolder).describe());
  }
}
