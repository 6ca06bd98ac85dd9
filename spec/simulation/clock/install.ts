// Puts virtual time in the place of the process's own. Imported before anything that keeps a timer function for itself.
import timers from 'node:timers';
import { VirtualClock, VirtualTimer } from './virtual-clock';

/** 1 January 2026. */
const EPOCH = 1767225600000;
const RealDate = Date;
let clock = new VirtualClock();

/** A clock of its own for each schedule: what an earlier one has left behind never runs. */
export function startClock(): VirtualClock {
  clock = new VirtualClock();
  return clock;
}

class VirtualDate extends RealDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(VirtualDate.now());
    else super(...(args as []));
  }

  static override now(): number {
    return Math.floor(EPOCH + clock.now);
  }
}

function clear(timer: unknown): void {
  if (timer instanceof VirtualTimer) timer.close();
}

const virtual = {
  Date: VirtualDate,
  setTimeout: (callback: () => void, delay?: number, ...args: unknown[]) => clock.setTimeout(callback, delay, args),
  setInterval: (callback: () => void, delay?: number, ...args: unknown[]) =>
    clock.setTimeout(callback, delay, args, delay ?? 1),
  setImmediate: (callback: () => void, ...args: unknown[]) => clock.setImmediate(callback, args),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
};

const { Date: _, ...functions } = virtual;
Object.assign(globalThis, virtual);
Object.assign(timers, functions);
Object.defineProperty(performance, 'now', { value: () => clock.now, configurable: true });
