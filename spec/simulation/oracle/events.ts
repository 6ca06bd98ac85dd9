// Each transaction that begins ends once, as the diagnostics channel tells it.
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

const ENDS = new Set(['commit', 'rollback', 'unknown']);

export function transactionsEndOnce({ ledger, finalReset }: Evidence): Violation[] {
  const verdict = new Verdict('ends once');
  if (!finalReset) return [];
  const told = new Map<string, string[]>();
  for (const { event, transaction } of ledger.events) {
    const events = told.get(transaction.id) ?? [];
    events.push(event);
    told.set(transaction.id, events);
  }
  for (const [id, events] of told) {
    const begins = events.filter((event) => event === 'begin').length;
    const ends = events.filter((event) => ENDS.has(event)).length;
    const isRight = begins === 1 && ends === 1 && events[0] === 'begin';
    verdict.hold(isRight, () => `${id}: ${events.join(', ')}`);
  }
  return verdict.violations;
}
