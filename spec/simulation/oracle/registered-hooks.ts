// A hook that a callback has registered runs once where what it was registered in came to that end, and not where it did not.
import type { Attempt } from '../run/ledger';
import { codeOf } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

export function registeredHooksRun({ ledger, finalReset }: Evidence): Violation[] {
  const verdict = new Verdict('registered hooks');
  if (!finalReset || ledger.pins.length > 0) return [];
  for (const { attempt, hook, number } of ledger.registered) {
    const count = ledger.calls.filter((call) => call.number === number).length;
    const name = `${hook} of ${attempt.unit.name}`;
    verdict.hold(count <= 1, () => `${name} ran ${count} times`);
    if (hook !== 'afterCommit') continue;
    const end = endOf(attempt);
    if (end === 'committed') verdict.hold(count === 1, () => `${name} never ran`);
    if (end === 'undone') verdict.hold(count === 0, () => `${name} ran, though its work was undone`);
  }
  return verdict.violations;
}

/** What became of the attempt, and of all around it. */
function endOf(attempt: Attempt): 'committed' | 'undone' | 'unclear' {
  const { unit } = attempt;
  const isLast = unit.attempts.at(-1) === attempt;
  if (!isLast) return 'undone';
  const around = unit.parent ? endOf(unit.parent) : 'committed';
  if (around === 'undone') return 'undone';
  const { told, kind } = unit;
  // A sandbox undoes what ran its hooks.
  if (kind === 'sandbox' || kind === 'by hand' || told.is === 'nothing') return 'unclear';
  if (told.is === 'done') return attempt.isGivenUp ? 'unclear' : around;
  const code = codeOf(told.error);
  if (code === 'ERR_AFTER_COMMIT') return around;
  return code === 'ERR_COMMIT_UNKNOWN' || attempt.rawControl ? 'unclear' : 'undone';
}
