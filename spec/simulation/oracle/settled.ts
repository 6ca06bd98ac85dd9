// Every promise settles within its bound, and all of them by the end of the last reset.
import type { Evidence } from '../run/run';
import type { Ledger, Moment, ResetRecord, Told } from '../run/ledger';
import { Verdict, type Violation } from './violation';

/** What a turn of the loop, or a socket that is about to close, may take. */
const SLACK_MILLIS = 60;

export function promisesSettle(evidence: Evidence): Violation[] {
  const verdict = new Verdict('settled');
  const { ledger, finalReset, lastQuery, destroyed } = evidence;
  for (const reset of ledger.resets) judgeReset(verdict, ledger, reset);
  verdict.hold(finalReset !== undefined, () => 'the final reset never resolved');
  if (!finalReset) return verdict.violations;
  for (const unit of ledger.units) judgeEnd(verdict, unit.told, unit.asked, unit.name);
  for (const asked of ledger.asked) judgeEnd(verdict, asked.told, asked.asked, `t${asked.token}`);
  verdict.hold(lastQuery.told.is === 'done', () => `a query after the final reset: ${describe(lastQuery.told)}`);
  verdict.hold(destroyed.told.is === 'done', () => `destroy() after all: ${describe(destroyed.told)}`);
  return verdict.violations;
}

function judgeReset(verdict: Verdict, ledger: Ledger, { told, asked, boundMillis }: ResetRecord): void {
  verdict.hold(told.is === 'done', () => `a reset asked at ${asked.at.toFixed(1)} ms: ${describe(told)}`);
  if (told.is === 'nothing') return;
  const took = told.at - asked.at - lateBetween(ledger, asked.at, told.at);
  verdict.hold(
    took <= boundMillis + SLACK_MILLIS,
    () => `a reset took ${took.toFixed(0)} ms, its bound is ${boundMillis} ms`,
  );
}

function judgeEnd(verdict: Verdict, told: Told, asked: Moment, name: string): void {
  verdict.hold(told.is !== 'nothing', () => `${name}, asked at ${asked.at.toFixed(1)} ms, was never told anything`);
}

function describe(told: Told): string {
  return told.is === 'failed' ? `rejected with ${String(told.error)}` : told.is;
}

/** `destroy()` gives what is open its time, then aborts it. */
export function destroyIsBounded({ ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('destroy');
  const bound = 2 * (schedule.setting.options.timeoutMillis ?? 5000);
  for (const { asked, told } of ledger.destroys) {
    verdict.hold(told.is === 'done', () => `destroy() asked at ${asked.at.toFixed(1)} ms: ${describe(told)}`);
    if (told.is === 'nothing') continue;
    const took = told.at - asked.at - lateBetween(ledger, asked.at, told.at);
    verdict.hold(took <= bound + SLACK_MILLIS, () => `destroy() took ${took.toFixed(0)} ms, its bound is ${bound} ms`);
  }
  return verdict.violations;
}

/** What a wait that a blocked event loop has held up is prolonged by, at most. */
const EXTENSION_MILLIS = 100;

/** For how long the event loop was blocked meanwhile, and what answers that came meanwhile are given. */
function lateBetween({ stalls }: Ledger, from: number, to: number): number {
  const within = stalls.filter(({ at }) => at >= from && at <= to);
  return within.reduce((sum, { millis }) => sum + millis + Math.min(millis, EXTENSION_MILLIS), 0);
}

/** A limit of its own holds wherever a block is. */
export function limitsHold({ ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('limits');
  const tail = schedule.setting.options.timeoutMillis ?? 5000;
  for (const { told, asked, limitMillis, name, verifies } of ledger.units) {
    if (limitMillis === undefined || told.is === 'nothing') continue;
    const took = told.at - asked.at - lateBetween(ledger, asked.at, told.at);
    // A lost COMMIT is asked about for as long again.
    const bound = limitMillis + tail * (verifies ? 2 : 1);
    verdict.hold(
      took <= bound + SLACK_MILLIS,
      () => `${name} took ${took.toFixed(0)} ms with a limit of ${limitMillis} ms`,
    );
  }
  return verdict.violations;
}
