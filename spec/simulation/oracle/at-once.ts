// A reset without a grace tells each statement that is asked and not answered at once, whatever the server does.
import { type Asked, type Ledger, type ResetRecord, outermost } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function victimsAreToldAtOnce({ ledger, schedule }: Evidence): Violation[] {
  const verdict = new Verdict('told at once');
  // In a sandbox that is open for all some wait for their turn, and are told by what they wait for.
  if (ledger.pins.length > 0) return [];
  const { graceMillis = 0 } = schedule.setting.options;
  const busy: [number, number][] = [...ledger.resets, ...ledger.destroys].map(({ asked, told }) => [
    asked.order,
    told.is === 'nothing' ? Infinity : told.order,
  ]);
  for (const reset of ledger.resets) {
    const { options, asked } = reset;
    // A reset that joins another has its time.
    const joins = busy.some(([from, to]) => from < asked.order && to > asked.order);
    if (joins || (options.graceMillis ?? graceMillis) > 0 || options.waiting === 'requeue') continue;
    if (schedule.setting.options.onFatal === 'reset') continue;
    for (const statement of ledger.asked) judge(verdict, statement, reset, ledger);
  }
  return verdict.violations;
}

function judge(verdict: Verdict, { asked, told, token, attempt }: Asked, reset: ResetRecord, ledger: Ledger): void {
  const { kind } = outermost(attempt.unit);
  // What is left on a connection that was given back is nobody's any more; in a sandbox some wait for their turn.
  if (asked.order > reset.asked.order || kind === 'sandbox' || kind === 'by hand') return;
  if (told.is === 'nothing' || told.order < reset.asked.order) return;
  // The reader of a stream that was answered in time hears its end a turn of the event loop later, if that turns.
  const blocked = told.is === 'done' ? blockedBetween(ledger, reset.asked.at, told.at) : 0;
  verdict.hold(
    told.at - blocked <= reset.asked.at,
    () => `t${token} was told ${(told.at - reset.asked.at).toFixed(2)} ms after a reset was asked for`,
  );
}

function blockedBetween({ stalls }: Ledger, from: number, to: number): number {
  return stalls.filter(({ at }) => at >= from && at < to).reduce((sum, { millis }) => sum + millis, 0);
}
