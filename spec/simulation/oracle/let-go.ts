// When a reset has resolved within its bound, the server has let go of every earlier connection; at the end nothing is left.
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function serverHasLetGo({ ledger }: Evidence): Violation[] {
  const verdict = new Verdict('let go');
  for (const { told, asked, boundMillis, backendsLeft, report } of ledger.resets) {
    if (told.is !== 'done' || told.at - asked.at >= boundMillis || !backendsLeft || !report) continue;
    const recycled = backendsLeft.filter(({ isAtRest }) => isAtRest).length;
    const isFine = recycled === backendsLeft.length && recycled <= report.recycledConnections;
    const left = backendsLeft.map(({ pid, isAtRest }) => `${pid} (${isAtRest ? 'at rest' : 'at work'})`).join(', ');
    verdict.hold(isFine, () => `a reset asked at ${asked.at.toFixed(1)} ms resolved while backend ${left} was there`);
  }
  return verdict.violations;
}

export function nothingIsLeft({ rest, destroyed }: Evidence): Violation[] {
  const verdict = new Verdict('nothing left');
  if (destroyed.told.is !== 'done') return [];
  verdict.hold(rest.backends.length === 0, () => `backends ${rest.backends.join(', ')} are left`);
  verdict.hold(rest.locks.length === 0, () => `locks are left: ${rest.locks.join(', ')}`);
  verdict.hold(rest.openTransactions === 0, () => `${rest.openTransactions} transactions are left on the server`);
  verdict.hold(rest.timers === 0, () => `${rest.timers} timers are left`);
  verdict.hold(rest.sockets === 0, () => `${rest.sockets} sockets are left`);
  return verdict.violations;
}
