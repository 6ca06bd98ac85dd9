// Nothing that was asked before a call for a reset runs on the server after it, also where the call joins another one.
import { outermost } from '../run/ledger';
import type { Evidence } from '../run/run';
import type { Entry } from '../server/journal';
import { mayOutlast } from './out-of-time';
import { Verdict, type Violation } from './violation';

export function resetIsFence({ ledger, journal, frozen, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('fence');
  const acceptedAt = ({ pid, order }: Entry) =>
    journal.entries.findLast((entry) => entry.is === 'connected' && entry.pid === pid && entry.order < order)?.order ??
    0;
  const first = new Map<string, number>();
  for (const entry of journal.entries) {
    if (entry.is !== 'executed' || entry.token === undefined) continue;
    const asked = ledger.asked[entry.token - 1];
    if (!asked) continue;
    const unit = outermost(asked.attempt.unit);
    if (!first.has(unit.name)) first.set(unit.name, entry.order);
    for (const reset of ledger.resets) {
      const { told, asked: called, options } = reset;
      if (told.is !== 'done' || entry.order < told.order || unit.asked.order > called.order) continue;
      // It waited for a connection, and goes on waiting behind the reset.
      if (options.waiting === 'requeue' && first.get(unit.name)! > called.order) continue;
      // It was stopped, or cut off in the middle of its work.
      if (frozen.has(entry.pid) || mayOutlast(acceptedAt(entry), ledger, schedule.setting.options)) continue;
      verdict.hold(
        false,
        () => `t${entry.token} of ${unit.name} ran ${(entry.at - told.at).toFixed(1)} ms after a reset`,
      );
    }
  }
  return verdict.violations;
}
