// Nothing that was asked before a reset runs on the server after it.
import { type Ledger, type ResetRecord, outermost } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

/** Calls that overlap share one teardown, and its report: it is that of the first of them. */
function firstOf(reset: ResetRecord, { resets }: Ledger): ResetRecord {
  return resets.find(({ report }) => report === reset.report) ?? reset;
}

/** `onFatal: 'reset'` began the teardown that a call shares: what had that fatal error goes on behind it. */
function isOfFatal({ report }: ResetRecord): boolean {
  return report?.reason?.startsWith('fatal error') ?? false;
}

export function resetIsFence({ ledger, journal, frozen }: Evidence): Violation[] {
  const verdict = new Verdict('fence');
  const first = new Map<string, number>();
  for (const entry of journal.entries) {
    if (entry.is !== 'executed' || entry.token === undefined) continue;
    const asked = ledger.asked[entry.token - 1];
    if (!asked) continue;
    const unit = outermost(asked.attempt.unit);
    if (!first.has(unit.name)) first.set(unit.name, entry.order);
    for (const reset of ledger.resets) {
      const { told } = reset;
      if (told.is !== 'done' || entry.order < told.order) continue;
      const teardown = firstOf(reset, ledger);
      const { asked: begun, options } = teardown;
      if (unit.asked.order > begun.order || isOfFatal(teardown)) continue;
      // It waited for a connection, and goes on waiting behind the reset.
      if (options.waiting === 'requeue' && first.get(unit.name)! > begun.order) continue;
      // The server was not to be reached in time.
      if (told.at - reset.asked.at >= reset.boundMillis || frozen.has(entry.pid)) continue;
      verdict.hold(
        false,
        () => `t${entry.token} of ${unit.name} ran ${(entry.at - told.at).toFixed(1)} ms after a reset`,
      );
    }
  }
  return verdict.violations;
}
