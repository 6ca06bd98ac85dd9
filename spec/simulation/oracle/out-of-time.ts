// Teardowns that ran out of their time: they have cut what they could not end, so no later one knows of it any more.
import type { ResetReport } from '../../../lib';
import type { Setting } from '../schedule/schedule';
import type { Asked, Ledger, Moment, ResetRecord, Unit } from '../run/ledger';

/** The last millisecond of a time is not waited for. */
const EARLY_MILLIS = 1;

/** What the instance gives where a call does not say. */
export type OwnTime = Pick<Setting['options'], 'graceMillis' | 'timeoutMillis'>;

/** The time was up. Calls that share a teardown shorten it, its grace and what comes after that. */
export function isOutOfTime(reset: ResetRecord, ledger: Ledger, own: OwnTime): boolean {
  const { asked, told, report } = reset;
  if (told.is !== 'done' || !report) return false;
  const shared = ledger.resets.filter((other) => other.report === report);
  const given: OwnTime[] = shared.map(({ options }) => options);
  // The instance began it by itself.
  if (isOfFatal(report)) given.push({});
  const grace = Math.min(...given.map(({ graceMillis = own.graceMillis ?? 0 }) => graceMillis));
  const timeout = Math.min(...given.map(({ timeoutMillis = own.timeoutMillis ?? 5000 }) => timeoutMillis));
  const begun = Math.min(told.at - report.durationMillis, ...shared.map((other) => other.asked.at));
  const first = shared.find((other) => other.asked.at === begun);
  const hasGrace = first?.isBusy ?? true;
  // A call to `destroy()` ends the grace.
  const overtaken = ledger.destroys.map((destroy) => destroy.asked.at).filter((at) => at >= begun && at < told.at);
  const graceEnd = Math.min(
    begun + grace,
    lastEndBetween({ at: begun, order: first?.asked.order ?? Infinity }, told.at, ledger),
    ...overtaken,
  );
  const usedGrace = hasGrace ? graceEnd - begun : 0;
  if (Math.max(told.at - asked.at, report.durationMillis) >= usedGrace + timeout - EARLY_MILLIS) return true;
  // One that is asked meanwhile has no longer than it says, also for what it waits for.
  const later = ledger.resets.filter((other) => other.asked.at >= begun && other.asked.at < told.at);
  return later.some(({ asked: { at }, options }) => {
    const { graceMillis = own.graceMillis ?? 0, timeoutMillis = own.timeoutMillis ?? 5000 } = options;
    return told.at - at >= Math.min(graceMillis, usedGrace) + timeoutMillis - EARLY_MILLIS;
  });
}

/** A grace is over when nothing is open any more: the last of what was asked before it was told by then. */
function lastEndBetween(begun: Moment, ended: number, { units, asked }: Ledger): number {
  const ends = [...units, ...asked]
    .filter((record) => record.asked.at <= begun.at && record.asked.order < begun.order)
    .filter(({ told }) => told.is === 'nothing' || told.at >= begun.at)
    .filter((record) => !hasWaited(record, ended))
    .map(({ told }) => (told.is === 'nothing' ? ended : Math.min(told.at, ended)));
  return Math.max(begun.at, ...ends);
}

/** It went on waiting for a connection behind the reset: what was open when that ended is never done. */
function hasWaited(record: Unit | Asked, ended: number): boolean {
  const { told } = record;
  const attempts = 'token' in record ? [record.attempt] : record.attempts;
  // A handle that is left open is done with when the schedule ends.
  return told.is === 'done' && told.at > ended && !attempts.some(({ isGivenUp }) => isGivenUp);
}

/** `onFatal: 'reset'` began the teardown. */
function isOfFatal({ reason }: ResetReport): boolean {
  return reason?.startsWith('fatal error') ?? false;
}

/**
 * Whether the session of a connection may outlast resets: one that was asked for when it was there already ran out of its time.
 * @param order when the connection was accepted
 */
export function mayOutlast(order: number, ledger: Ledger, own: OwnTime): boolean {
  const isLost = ({ asked }: { asked: Moment }) => asked.order > order;
  const { timeoutMillis = 5000 } = own;
  // A call to `destroy()` gives what is open as long as it gives the teardown.
  const destroys = ledger.destroys.filter(
    ({ asked, told }) => told.is !== 'nothing' && told.at - asked.at >= 2 * timeoutMillis,
  );
  return [...ledger.resets.filter((reset) => isOutOfTime(reset, ledger, own)), ...destroys].some(isLost);
}
