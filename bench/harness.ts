// Two sides are measured in turns, round by round, and told as the median of the rounds' ratios: what disturbs one round disturbs both sides of it.
// No collection is forced between rounds: V8 drops optimised code with it, which makes everything five times slower. Rounds are long instead.
//
// How a goal is judged. The median has a 95 % confidence interval, by order statistics: it assumes nothing about how the rounds are distributed.
// `ok`: the median reaches the goal. `MISSED`: the whole interval lies beyond it. Where the median misses the goal and the interval holds it,
// the measurement cannot tell, so it goes on, for up to four times as long. If it still cannot tell, the verdict is `ok, within error`: to call
// that missed would fail every second run of code that is exactly at its goal. But noise excuses nothing, and proves nothing: where the interval
// holds the goal and is wider than a tenth of the ratio to each side, the verdict is `UNCLEAR` on either side of the goal, and counts as missed.
// That too is measured for longer first.
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
  text: `≤ ${most.toFixed(2)}`,
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
  /**
   * The same for the rival. So that a round of each takes about as long: in a short one a process only wakes up, and while it waits for a long one
   * V8 drops its code.
   * @default times
   */
  rivalTimes?: number;
  goal: Goal;
  /** Half of the ratio's 95 % confidence interval at which no more rounds are needed, as a share of it. @default 0.01 */
  precision?: number;
  maxMillis?: number;
  /** So many on each side, which take turns: round by round the next pair of them. @default 1 */
  processes?: number;
  /** Of each side, not measured: what takes long is run thousands of times only with more of it. @default 2000 */
  warmUpMillis?: number;
}

export interface Line {
  name: string;
  ours: string;
  rival: string;
  ratio: string;
  goal: string;
  verdict: Verdict;
}

export type Verdict = 'ok' | 'ok, within error' | 'MISSED' | 'UNCLEAR' | '';

export const isFailure = (verdict: Verdict) => verdict === 'MISSED' || verdict === 'UNCLEAR';

/** More rounds may tell. */
const isUndecided = (verdict: Verdict) => verdict === 'ok, within error' || verdict === 'UNCLEAR';

const WARM_UP_ROUNDS = 6;
/** V8 goes on optimising for thousands of runs, and the side that does more of them in a round would be ready first. */
const WARM_UP_MILLIS = 2_000;
/** In turns: V8 drops the code of a process that waits for long. */
const SLICE_MILLIS = 500;
const LEAST_ROUNDS = 12;
/** How much longer is measured where the interval holds the goal. */
const EXTENSION = 4;
/** The widest interval with the goal inside that still tells something, to each side, as a share of the ratio. */
const WIDEST = 0.1;

interface Round {
  ours: number;
  rival: number;
}

export async function compare(comparison: Comparison): Promise<Line> {
  const { name, times, goal, precision = 0.01, maxMillis = 15_000, warmUpMillis = WARM_UP_MILLIS } = comparison;
  const { processes = 1, rivalTimes = times } = comparison;
  const [ours, rival] = [repeated(comparison.ours, times), repeated(comparison.rival, rivalTimes)];
  const rounds: Round[] = [];
  for (let left = warmUpMillis; left > 0; left -= SLICE_MILLIS) {
    await warmUp(ours);
    await warmUp(rival);
  }
  for (let round = 0; round < WARM_UP_ROUNDS; round++) await oneRound(ours, rival, round);

  const start = performance.now();
  const estimate = () =>
    estimateByProcess(
      rounds.map((each) => goal.ratio(each.ours, each.rival)),
      processes,
    );
  const measureUntil = async (isPrecise: (error: number) => boolean, millis: number) => {
    do rounds.push(await oneRound(ours, rival, rounds.length));
    while (
      rounds.length < LEAST_ROUNDS * processes ||
      (performance.now() < start + millis && !isPrecise(estimate().error))
    );
  };
  await measureUntil((error) => error <= precision, maxMillis);
  // Judged once more at a precision that is fixed, not whenever it would suit.
  if (isUndecided(verdictOf(goal, estimate()))) {
    await measureUntil((error) => error <= precision / 2, EXTENSION * maxMillis);
  }

  const found = estimate();
  const { ratio, error } = found;
  return {
    name,
    ours: time(median(rounds.map((each) => each.ours))),
    rival: time(median(rounds.map((each) => each.rival))),
    ratio: `${figure(ratio)} ±${figure(error * ratio)}`,
    goal: goal.text,
    verdict: verdictOf(goal, found),
  };
}

/** A median and the 95 % confidence interval around it. `error`: half of the interval, as a share of the median. */
export interface Estimate {
  ratio: number;
  low: number;
  high: number;
  error: number;
}

/**
 * Of values that several processes gave in turns. A process is quicker or slower than its like for as long as it runs, so more rounds of the same
 * processes say no more about that: the median of each one is a single value.
 */
export function estimateByProcess(values: number[], processes: number): Estimate {
  if (processes === 1) return estimateOf(values);
  const of = (process: number) => values.filter((_, round) => round % processes === process);
  return estimateOf(Array.from({ length: processes }, (_, process) => median(of(process))));
}

export function estimateOf(values: number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const ratio = median(values);
  // How many values lie below the true median is binomial: n/2 ± 1.96 √n/2 in 95 of 100 cases.
  const below = Math.round(sorted.length / 2 - 0.98 * Math.sqrt(sorted.length));
  const [low, high] = [sorted[Math.max(1, below) - 1], sorted[sorted.length - Math.max(1, below)]] as [number, number];
  return { ratio, low, high, error: (high - low) / 2 / ratio };
}

export function verdictOf(goal: Goal, { ratio, low, high, error }: Estimate): Verdict {
  if (goal.isStated) return '';
  const ends = [low, high].filter((end) => goal.isReached(end)).length;
  if (ends === 2) return 'ok';
  if (ends === 0) return 'MISSED';
  if (error > WIDEST) return 'UNCLEAR';
  return goal.isReached(ratio) ? 'ok' : 'ok, within error';
}

/** A side, and how often its work is done in a round. */
type Repeated = Side & { times: number };

const repeated = (side: Side | Work, times: number): Repeated =>
  typeof side === 'function' ? { work: side, times } : { prepare: side.prepare, work: side.work, times };

/** Milliseconds for one time, of each side. Who goes first alternates. */
async function oneRound(ours: Repeated, rival: Repeated, round: number): Promise<Round> {
  if (round % 2 === 0) {
    const first = await measure(ours);
    return { ours: first, rival: await measure(rival) };
  }
  const first = await measure(rival);
  return { rival: first, ours: await measure(ours) };
}

async function warmUp(side: Repeated): Promise<void> {
  for (const end = performance.now() + SLICE_MILLIS; performance.now() < end; ) await measure(side);
}

async function measure({ prepare, work, times }: Repeated): Promise<number> {
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
  const sorted = values.toSorted((a, b) => a - b);
  const [below, above] = [Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2)];
  return ((sorted[below] as number) + (sorted[above] as number)) / 2;
}

export function figure(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

export function time(milliseconds: number): string {
  return milliseconds < 1 ? `${figure(milliseconds * 1000)} µs` : `${figure(milliseconds)} ms`;
}
