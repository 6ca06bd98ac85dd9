// Teardowns that ran out of their time: they have cut what they could not end, so no later one knows of it any more.
import type { ResetReport } from '../../../lib';
import type { Setting } from '../schedule/schedule';
import type { Ledger, Moment, ResetRecord } from '../run/ledger';

/** The last millisecond of a time is not waited for. */
const EARLY_MILLIS = 1;

/** What the instance gives where a call does not say. */
export type OwnTime = Pick<Setting['options'], 'graceMillis' | 'timeoutMillis'>;

/** The time was up. Calls that share a teardown shorten it, its grace and what comes after that. */
export function isOutOfTime({ asked, told, report }: ResetRecord, { resets }: Ledger, own: OwnTime): boolean {
  if (told.is !== 'done' || !report) return false;
  const given: OwnTime[] = resets.filter((reset) => reset.report === report).map(({ options }) => options);
  // The instance began it by itself.
  if (isOfFatal(report)) given.push({});
  const grace = Math.min(...given.map(({ graceMillis = own.graceMillis ?? 0 }) => graceMillis));
  const timeout = Math.min(...given.map(({ timeoutMillis = own.timeoutMillis ?? 5000 }) => timeoutMillis));
  return Math.max(told.at - asked.at, report.durationMillis) >= grace + timeout - EARLY_MILLIS;
}

/** `onFatal: 'reset'` began the teardown. */
export function isOfFatal({ reason }: ResetReport): boolean {
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
