// Two sides measured in turns, round by round, and told as the median of the rounds' ratios: what disturbs one round disturbs both sides of it.
// No collection is forced between rounds: V8 drops optimised code with it, which makes everything five times slower. Rounds are long instead.
import { setTimeout as sleep } from 'node:timers/promises';

/** One side: does the work `times` times over. */
export type Work = (times: number) => Promise<unknown>;

export interface Side {
  /** Before each round, not measured. */
  prepare?: () => Promise<unknown>;
  work: Work;
}

/** What the ratio has to be. */
export interface Goal {
  text: string;
  /** From milliseconds for each side to the ratio that is printed. */
  ratio(ours: number, rival: number): number;
  isReached(ratio: number): boolean;
  /** Only told: nothing is missed where it is low. */
  isStated?: boolean;
}

/** Ours does at least this share of what the rival does in the same time. */
export const throughput = (least: number): Goal => ({
  text: `≥ ${least.toFixed(2)}`,
  ratio: (ours, rival) => rival / ours,
  isReached: (ratio) => ratio >= least,
});

/** Ours takes at most so many times what the rival takes. */
export const duration = (most: number): Goal => ({
  text: `≤ ${most.toFixed(1)}`,
  ratio: (ours, rival) => ours / rival,
  isReached: (ratio) => ratio <= most,
});

/** Ours is at least so many times faster. */
export const faster = (least: number): Goal => ({
  text: `≥ ${least} x`,
  ratio: (ours, rival) => rival / ours,
  isReached: (ratio) => ratio >= least,
});

/** A figure that no code can better, or that differs from machine to machine: told as its goal would be, and never missed. */
export const stated = (goal: Goal): Goal => ({ ...goal, text: 'stated', isStated: true });

/** What something costs in times of the other side's time, which is only stated. */
export const price: Goal = stated(duration(Number.POSITIVE_INFINITY));

export interface Comparison {
  name: string;
  ours: Side | Work;
  rival: Side | Work;
  /** In each round. */
  times: number;
  goal: Goal;
  /** Half of the ratio's 95 % confidence interval at which no more rounds are needed, as a share of it. @default 0.01 */
  precision?: number;
  maxMillis?: number;
}

export interface Line {
  name: string;
  ours: string;
  rival: string;
  ratio: string;
  goal: string;
  verdict: 'ok' | 'MISSED' | '';
}

const WARM_UP_ROUNDS = 6;
/** Of each side. V8 goes on optimising for thousands of runs, and the side that does more of them in a round would be ready first. */
const WARM_UP_MILLIS = 2_000;
const LEAST_ROUNDS = 12;

export async function compare(comparison: Comparison): Promise<Line> {
  const { name, times, goal, precision = 0.01, maxMillis = 15_000 } = comparison;
  const [ours, rival] = [sideOf(comparison.ours), sideOf(comparison.rival)];
  const rounds: { ours: number; rival: number }[] = [];
  await warmUp(ours, times);
  await warmUp(rival, times);
  for (let round = 0; round < WARM_UP_ROUNDS; round++) await oneRound(ours, rival, times, round);

  const ratios = () => rounds.map((each) => goal.ratio(each.ours, each.rival));
  const end = performance.now() + maxMillis;
  do rounds.push(await oneRound(ours, rival, times, rounds.length));
  while (
    rounds.length < LEAST_ROUNDS ||
    (performance.now() < end && uncertainty(ratios()) > precision * median(ratios()))
  );

  const ratio = median(ratios());
  return {
    name,
    ours: time(median(rounds.map((each) => each.ours))),
    rival: time(median(rounds.map((each) => each.rival))),
    ratio: `${figure(ratio)} ±${figure(uncertainty(ratios()))}`,
    goal: goal.text,
    verdict: goal.isStated ? '' : goal.isReached(ratio) ? 'ok' : 'MISSED',
  };
}

const sideOf = (side: Side | Work): Side => (typeof side === 'function' ? { work: side } : side);

/** Milliseconds for one time, of each side. Who goes first alternates. */
async function oneRound(
  ours: Side,
  rival: Side,
  times: number,
  round: number,
): Promise<{ ours: number; rival: number }> {
  if (round % 2 === 0) {
    const first = await measure(ours, times);
    return { ours: first, rival: await measure(rival, times) };
  }
  const first = await measure(rival, times);
  return { rival: first, ours: await measure(ours, times) };
}

async function warmUp(side: Side, times: number): Promise<void> {
  for (const end = performance.now() + WARM_UP_MILLIS; performance.now() < end; ) await measure(side, times);
}

async function measure({ prepare, work }: Side, times: number): Promise<number> {
  await prepare?.();
  const start = performance.now();
  await work(times);
  return (performance.now() - start) / times;
}

export function collectGarbage(): void {
  if (!globalThis.gc) throw new Error('the benchmarks need node --expose-gc');
  globalThis.gc();
}

/** Lets what was just closed leave the event loop. */
export const settle = () => sleep(50);

export function median(values: number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

/** Half of the 95 % confidence interval of the median, from the middle half of the values, which outliers do not reach. */
function uncertainty(values: number[]): number {
  const deviation = (quantile(values, 0.75) - quantile(values, 0.25)) / 1.349;
  return (1.96 * 1.253 * deviation) / Math.sqrt(values.length);
}

export function figure(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

export function time(milliseconds: number): string {
  return milliseconds < 1 ? `${figure(milliseconds * 1000)} µs` : `${figure(milliseconds)} ms`;
}
