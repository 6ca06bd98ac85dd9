// Virtual time. Timers, input and immediates run in the phases of Node's event loop; time moves only while nothing is left to do now.
import { AsyncResource } from 'node:async_hooks';
import { Heap } from './heap';

/** More turns than this in one schedule: something goes round in circles. */
const MOST_TURNS = 200_000;
/** Node takes what is longer, Infinity included, as 1 ms. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;
const realSetImmediate = setImmediate;

/** Resolves when all microtasks and ticks are done. */
const settled = () => new Promise<void>((resolve) => void realSetImmediate(resolve));

type Callback = (...args: never[]) => void;

/** What `setTimeout`, `setInterval` and `setImmediate` return. */
export class VirtualTimer {
  isCancelled = false;
  isRef = true;
  readonly #resource = new AsyncResource('VirtualTimer');

  constructor(
    public at: number,
    public order: number,
    readonly callback: Callback,
    readonly args: unknown[],
    readonly every?: number,
  ) {}

  run(): void {
    this.#resource.runInAsyncScope(this.callback as () => void, undefined, ...(this.args as []));
  }

  ref(): this {
    this.isRef = true;
    return this;
  }

  unref(): this {
    this.isRef = false;
    return this;
  }

  hasRef(): boolean {
    return this.isRef;
  }

  close(): void {
    this.isCancelled = true;
  }
}

interface Input {
  at: number;
  order: number;
  run(): void;
}

export class VirtualClock {
  /** Milliseconds since the start. */
  now = 0;
  #order = 0;
  #turns = 0;
  readonly #timers = new Heap<VirtualTimer>();
  readonly #inputs = new Heap<Input>();
  #immediates: VirtualTimer[] = [];

  /** A number that grows with everything that happens. */
  tick(): number {
    this.#order += 1;
    return this.#order;
  }

  setTimeout(callback: Callback, delay: number | undefined, args: unknown[], every?: number): VirtualTimer {
    const millis = delay !== undefined && delay >= 1 && delay <= LONGEST_TIMEOUT ? Math.trunc(delay) : 1;
    const timer = new VirtualTimer(
      this.now + millis,
      this.tick(),
      callback,
      args,
      every === undefined ? every : millis,
    );
    this.#timers.push(timer);
    return timer;
  }

  setImmediate(callback: Callback, args: unknown[]): VirtualTimer {
    const immediate = new VirtualTimer(this.now, this.tick(), callback, args);
    this.#immediates.push(immediate);
    return immediate;
  }

  /** Something that arrives from outside of the process. */
  input(delay: number, run: () => void): void {
    this.#inputs.push({ at: this.now + delay, order: this.tick(), run });
  }

  /** For what is outside of the process: resolves after that time. */
  wait(millis: number): Promise<void> {
    return new Promise((resolve) => this.input(millis, resolve));
  }

  /** The event loop does nothing for so long: what is due in it comes late, timers before input. */
  block(millis: number): void {
    this.now += millis;
  }

  /** The timers and immediates that have still to run. */
  get pending(): VirtualTimer[] {
    return [...this.#timers.entries, ...this.#immediates].filter((timer) => !timer.isCancelled);
  }

  /** Turns the loop until the condition holds, nothing is left to do, or it is that late. */
  async run(isDone: () => boolean, untilMillis = Infinity): Promise<void> {
    await settled();
    while (!isDone()) {
      this.#turns += 1;
      if (this.#turns > MOST_TURNS) throw new Error(`the event loop goes round in circles at ${this.now} ms`);
      if (await this.#turn()) continue;
      const next = Math.min(this.#nextTimer()?.at ?? Infinity, this.#inputs.first?.at ?? Infinity);
      if (next > untilMillis || next === Infinity) {
        if (untilMillis !== Infinity) this.now = Math.max(this.now, untilMillis);
        return;
      }
      this.now = Math.max(this.now, next);
    }
  }

  async #turn(): Promise<boolean> {
    const { now } = this;
    const latest = this.tick();
    let hasRun = false;
    for (let timer = this.#nextTimer(); timer && timer.at <= now && timer.order < latest; timer = this.#nextTimer()) {
      this.#timers.pop();
      if (timer.every !== undefined) this.#repeat(timer, timer.every);
      timer.run();
      hasRun = true;
      await settled();
    }
    for (let input = this.#inputs.first; input && input.at <= now && input.order < latest; input = this.#inputs.first) {
      this.#inputs.pop();
      input.run();
      hasRun = true;
      await settled();
    }
    const immediates = this.#immediates;
    this.#immediates = [];
    for (const immediate of immediates) {
      if (immediate.isCancelled) continue;
      immediate.run();
      hasRun = true;
      await settled();
    }
    return hasRun;
  }

  #nextTimer(): VirtualTimer | undefined {
    while (this.#timers.first?.isCancelled) this.#timers.pop();
    return this.#timers.first;
  }

  #repeat(timer: VirtualTimer, every: number): void {
    timer.at = this.now + every;
    timer.order = this.tick();
    this.#timers.push(timer);
  }
}
