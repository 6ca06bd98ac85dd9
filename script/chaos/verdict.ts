// Compares what is stored, row by row, with what the callers were told.
import { inspect } from 'node:util';
import type { Told } from './transfer';
import { ACCOUNTS, type LedgerRow, OPENING_BALANCE } from './world';

/** One line for each thing that is not as it was told. */
export function mismatches(
  told: readonly Told[],
  ledger: readonly LedgerRow[],
  balances: ReadonlyMap<number, number>,
): string[] {
  const stored = new Map(ledger.map((row) => [row.id, row]));
  const found = told.flatMap((each) => mismatchesOf(each, stored.get(each.row.id)));
  const known = new Set(told.map(({ row }) => row.id));
  for (const { id } of ledger) if (!known.has(id)) found.push(`row ${id} is stored, and nobody asked for it`);

  const expected = Array.from({ length: ACCOUNTS }, () => OPENING_BALANCE);
  for (const { payer, payee, amount } of ledger) {
    expected[payer] = (expected[payer] ?? 0) - amount;
    expected[payee] = (expected[payee] ?? 0) + amount;
  }
  for (const [account, balance] of expected.entries())
    if (balances.get(account) !== balance)
      found.push(`account ${account} has ${balances.get(account)}, its ledger says ${balance}`);
  return found;
}

function mismatchesOf({ row, outcome, hooked, oddities, error }: Told, stored: LedgerRow | undefined): string[] {
  const found: string[] = [];
  const say = (what: string) => found.push(`transfer ${row.id} was ${outcome} (${describe(error)}), ${what}`);
  for (const oddity of oddities) say(`and had an answer to something else, ${oddity}`);
  if (outcome === 'acknowledged' && !stored) say('and is not stored');
  if (outcome === 'rejected' && stored) say('and is stored');
  if (stored && JSON.stringify(pick(stored)) !== JSON.stringify(pick(row))) say('and another row is stored');
  const hooksDue = outcome === 'acknowledged' ? 1 : 0;
  if (hooked !== undefined && hooked !== hooksDue) say(`and its afterCommit hook ran ${hooked} times`);
  return found;
}

const pick = ({ id, payer, payee, amount }: LedgerRow) => [id, payer, payee, amount];

function describe(error: unknown): string {
  return error instanceof Error
    ? `${error.name}: ${error.message.split('\n')[0]}`
    : error === undefined
      ? 'no error'
      : inspect(error);
}
