// No transaction of the server's has statements of two askers, and what belongs to a transaction never runs outside of one.
import { type Unit, outermost } from '../run/ledger';
import type { Evidence } from '../run/run';
import { Verdict, type Violation } from './violation';

const TRANSACTIONS = new Set(['block', 'transaction', 'handle', 'sandbox']);

export function transactionsAreApart({ ledger, journal }: Evidence): Violation[] {
  const verdict = new Verdict('apart');
  const owners = new Map<number, string>();
  // Then it is the sandbox's connection that all share, with savepoints in the place of transactions.
  const isShared = ({ asked, told, isOutside }: Unit) =>
    !isOutside &&
    ledger.pins.some(
      ({ asked: from, closed }) =>
        (told.is === 'nothing' || from.order < told.order) && (closed?.order ?? Infinity) > asked.order,
    );
  for (const { is, token, transaction, isExplicit } of journal.entries) {
    if (is !== 'executed' || token === undefined || transaction === undefined) continue;
    const unit = outermost(ledger.asked[token - 1]!.attempt.unit);
    // A connection taken by hand may be used in whatever state it is.
    if (unit.kind === 'by hand' || isShared(unit)) continue;
    const owner = owners.get(transaction) ?? unit.name;
    owners.set(transaction, owner);
    const isInSandbox = owner.startsWith('sandbox') || unit.kind === 'sandbox';
    verdict.hold(
      owner === unit.name || isInSandbox,
      () => `t${token} of ${unit.name} ran in the transaction of ${owner}`,
    );
    if (TRANSACTIONS.has(unit.kind)) {
      verdict.hold(isExplicit === true, () => `t${token} of ${unit.name} ran outside of its transaction`);
    }
  }
  return verdict.violations;
}
