// When a reset has resolved within its bound, the server has let go of every earlier connection; at the end nothing is left.
import type { ResetReport } from '../../../lib';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function serverHasLetGo({ ledger }: Evidence): Violation[] {
  const verdict = new Verdict('let go');
  const firstBound = new Map<ResetReport, number>();
  for (const { report, boundMillis } of ledger.resets) {
    if (report && !firstBound.has(report)) firstBound.set(report, boundMillis);
  }
  for (const { told, asked, boundMillis, backendsLeft, backendsLate, report } of ledger.resets) {
    if (told.is !== 'done' || !backendsLeft || !report) continue;
    // The time was up; that of the call which began the teardown counts for those that share it.
    if (Math.max(told.at - asked.at, report.durationMillis) >= (firstBound.get(report) ?? boundMillis)) continue;
    const recycled = backendsLeft.filter(({ isAtRest }) => isAtRest).length;
    const isFine = recycled === backendsLeft.length && recycled <= report.recycledConnections;
    const left = backendsLeft.map(({ pid, isAtRest }) => `${pid} (${isAtRest ? 'at rest' : 'at work'})`).join(', ');
    const since = backendsLate?.length === 0 ? 'gone a moment later' : 'there to stay';
    verdict.hold(
      isFine,
      () => `a reset asked at ${asked.at.toFixed(1)} ms resolved while backend ${left} was there, ${since}`,
    );
  }
  return verdict.violations;
}

export function nothingIsLeft({ rest, destroyed, ledger }: Evidence): Violation[] {
  const verdict = new Verdict('nothing left');
  // A reset that ran out of its time has cut what it could not end.
  const hasCut = ledger.resets.some(({ report, boundMillis }) => report && report.durationMillis >= boundMillis);
  if (destroyed.told.is !== 'done') return [];
  verdict.hold(hasCut || rest.backends.length === 0, () => `backends ${rest.backends.join(', ')} are left`);
  verdict.hold(hasCut || rest.locks.length === 0, () => `locks are left: ${rest.locks.join(', ')}`);
  verdict.hold(
    hasCut || rest.openTransactions === 0,
    () => `${rest.openTransactions} transactions are left on the server`,
  );
  verdict.hold(rest.timers === 0, () => `${rest.timers} timers are left`);
  verdict.hold(rest.sockets === 0, () => `${rest.sockets} sockets are left`);
  return verdict.violations;
}
