// When a reset has resolved within its bound, the server has let go of every earlier connection; at the end nothing is left.
import type { Evidence } from '../run/run';
import { isOutOfTime, mayOutlast } from './out-of-time';
import { Verdict, type Violation } from './violation';

export function serverHasLetGo({ ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('let go');
  const { options } = schedule.setting;
  for (const reset of ledger.resets) {
    const { told, asked, backendsLeft, backendsLate, report } = reset;
    if (told.is !== 'done' || !backendsLeft || !report || isOutOfTime(reset, ledger, options)) continue;
    const kept = backendsLeft.filter(({ isAtRest }) => isAtRest);
    verdict.hold(
      // What is idle in a pool of the user's is its owner's.
      schedule.setting.owner !== undefined || kept.length <= report.recycledConnections,
      () => `a reset asked at ${asked.at.toFixed(1)} ms kept ${kept.map(({ pid }) => pid).join(', ')}`,
    );
    for (const { pid, isAtRest, order, isHurt } of backendsLeft) {
      const isLate = !backendsLate?.includes(pid);
      const since = isLate ? 'gone a moment later' : 'there to stay';
      // An end that came from between is taken for that of the server, which hears of it as well.
      if (isLate && isHurt) continue;
      verdict.hold(
        isAtRest || mayOutlast(order, ledger, options),
        () => `a reset asked at ${asked.at.toFixed(1)} ms resolved while backend ${pid} was there, ${since}`,
      );
    }
  }
  return verdict.violations;
}

export function nothingIsLeft({ rest, destroyed, ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('nothing left');
  const hasCut = ledger.resets.some((reset) => isOutOfTime(reset, ledger, schedule.setting.options));
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
