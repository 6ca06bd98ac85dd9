// How long a step of a transaction's end may take, by its limit and those around it.
import { expect } from 'chai';
import { stepMillis } from '../../lib/transaction/control-statements';
import type { Transaction } from '../../lib/transaction/transaction';

type Limit = { leftMillis?: number; overMillis?: number };

/** A transaction in blocks with these limits, the outermost first. The instance's time is 500 ms. */
function inBlocks(...limits: Limit[]): Transaction {
  const instance = { settings: { timeoutMillis: 500 } };
  const nested = limits.reduce<object | undefined>(
    (parent, limit) => ({ instance, parent, block: { limit } }),
    undefined,
  );
  return (nested ?? { instance }) as Transaction;
}

describe('the time of a step', () => {
  for (const [title, limits, millis] of [
    ['is the instance’s without a limit', [], 500],
    ['is what is left of the limit', [{ leftMillis: 900 }], 900],
    ['is what is left of the one with the least', [{ leftMillis: 70 }, { leftMillis: 900 }], 70],
    ['is the instance’s once the limit is reached', [{ leftMillis: 0, overMillis: 0 }], 500],
    ['is that also where the timer was a moment early', [{ leftMillis: 0.4, overMillis: 0 }], 500],
    ['is the rest of that for a later step', [{ leftMillis: 0, overMillis: 200 }], 300],
    ['is nothing when that is used up', [{ leftMillis: 0, overMillis: 600 }], 0],
    ['is not that of an outer block with more time', [{ leftMillis: 60_000 }, { leftMillis: 0, overMillis: 0 }], 500],
    ['is that of an outer block with less time', [{ leftMillis: 20 }, { leftMillis: 0, overMillis: 0 }], 20],
    ['is what is left when a signal ends it', [{ leftMillis: 90, overMillis: 0 }], 90],
  ] as [string, Limit[], number][]) {
    it(title, () => {
      expect(stepMillis(inBlocks(...limits))).to.equal(millis);
    });
  }
});
