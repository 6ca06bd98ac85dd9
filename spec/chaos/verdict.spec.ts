// Shows that the verdict of a chaos run finds each way of not telling the truth.
import { expect } from 'chai';
import { CommitUnknownError } from '../../lib';
import type { Told } from '../../script/chaos/transfer';
import { mismatches } from '../../script/chaos/verdict';
import { ACCOUNTS, type LedgerRow, OPENING_BALANCE } from '../../script/chaos/world';

const row: LedgerRow = { id: 1, payer: 2, payee: 3, amount: 10 };
const told = (outcome: Told['outcome'], hooked?: number): Told => ({ row, outcome, attempts: 1, hooked, oddities: [] });

function balancesOf(ledger: LedgerRow[]): Map<number, number> {
  const balances = new Map(Array.from({ length: ACCOUNTS }, (_, id) => [id, OPENING_BALANCE]));
  for (const { payer, payee, amount } of ledger) {
    balances.set(payer, (balances.get(payer) ?? 0) - amount);
    balances.set(payee, (balances.get(payee) ?? 0) + amount);
  }
  return balances;
}

describe('the verdict of a chaos run', () => {
  const truths: [title: string, told: Told, ledger: LedgerRow[]][] = [
    ['acknowledged and stored', told('acknowledged', 1), [row]],
    ['acknowledged without a hook, and stored', told('acknowledged'), [row]],
    ['rejected and not stored', told('rejected', 0), []],
    ['unknown and stored', told('unknown', 0), [row]],
    ['unknown and not stored', told('unknown', 0), []],
  ];
  for (const [title, each, ledger] of truths)
    it(`finds nothing where a transfer is ${title}`, () => {
      expect(mismatches([each], ledger, balancesOf(ledger))).to.deep.equal([]);
    });

  const lies: [title: string, told: Told, ledger: LedgerRow[], found: RegExp][] = [
    ['acknowledged and not stored', told('acknowledged', 1), [], /acknowledged .*, and is not stored/],
    ['rejected and stored', told('rejected', 0), [row], /rejected .*, and is stored/],
    ['stored otherwise', told('acknowledged', 1), [{ ...row, amount: 11 }], /another row is stored/],
    ['acknowledged without its hook', told('acknowledged', 0), [row], /afterCommit hook ran 0 times/],
    ['acknowledged with its hook twice', told('acknowledged', 2), [row], /afterCommit hook ran 2 times/],
    ['rejected with its hook', told('rejected', 1), [], /afterCommit hook ran 1 times/],
    ['stored, and unheard of', told('acknowledged', 1), [row, { ...row, id: 2 }], /row 2 is stored, and nobody asked/],
  ];
  for (const [title, each, ledger, found] of lies)
    it(`finds one thing where a transfer is ${title}`, () => {
      const lines = mismatches([each], ledger, balancesOf(ledger));
      expect(lines).to.have.lengthOf(1);
      expect(lines[0]).to.match(found);
    });

  it('finds an account whose balance is not what its ledger says', () => {
    const balances = balancesOf([row]).set(7, OPENING_BALANCE - 1);
    expect(mismatches([told('acknowledged', 1)], [row], balances)).to.deep.equal([
      `account 7 has ${OPENING_BALANCE - 1}, its ledger says ${OPENING_BALANCE}`,
    ]);
  });

  it('finds an answer that was meant for another statement', () => {
    const each = { ...told('acknowledged', 1), oddities: ['rows debited: undefined'] };
    expect(mismatches([each], [row], balancesOf([row]))[0]).to.include('rows debited: undefined');
  });

  it('says what the caller was told', () => {
    const each = { ...told('rejected', 0), error: new CommitUnknownError('t1', {}) };
    expect(mismatches([each], [row], balancesOf([row]))[0]).to.include('CommitUnknownError: the connection was lost');
  });
});
