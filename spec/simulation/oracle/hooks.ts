// The instance's hooks tell of each block what its caller is told, and once.
import { type Unit, codeOf } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function hooksTellTheSame({ ledger, schedule, finalReset }: Evidence): Violation[] {
  const verdict = new Verdict('hooks');
  if (schedule.setting.foreign.hooks !== 'watch' || !finalReset) return [];
  for (const unit of ledger.units) {
    if (unit.parent || unit.kind !== 'block' || unit.told.is === 'nothing') continue;
    const called = ledger.hooks.filter(({ label, depth }) => label === unit.name && depth === 1);
    const count = (hook: string) => called.filter((call) => call.hook === hook).length;
    const committed = count('afterCommit');
    const expected = isCommitted(unit) ? 1 : 0;
    verdict.hold(
      committed === expected,
      () => `afterCommit ran ${committed} times for ${unit.name}, told ${unit.told.is}`,
    );
    verdict.hold(count('afterUnknown') <= 1, () => `afterUnknown ran twice for ${unit.name}`);
    verdict.hold(
      count('onFatal') <= unit.attempts.length,
      () => `onFatal ran ${count('onFatal')} times for ${unit.name}`,
    );
    const late = called.find(
      ({ hook, order }) => hook === 'beforeCommit' && unit.told.is !== 'nothing' && order > unit.told.order,
    );
    verdict.hold(!late, () => `beforeCommit ran after ${unit.name} was told`);
  }
  return verdict.violations;
}

function isCommitted({ told }: Unit): boolean {
  return told.is === 'done' || (told.is === 'failed' && codeOf(told.error) === 'ERR_AFTER_COMMIT');
}
