// What is kept for each thing that happens in a long transaction, and how long that takes.
import { expect } from 'chai';
import { Transaction } from '../../lib/transaction/transaction';

describe('a long transaction', () => {
  it('finds what is open inside, also where thousands are open one in the other', () => {
    interface Level {
      children: Level[];
      isOver: boolean;
    }
    const level = (...children: Level[]): Level =>
      Object.create(Transaction.prototype, {
        children: { value: children },
        isOver: { value: false },
      }) as Level;
    let outermost = level();
    for (let depth = 0; depth < 3000; depth++) outermost = level(outermost);
    const inside = Transaction.prototype.openInside.call(outermost as unknown as Transaction);
    expect(inside).to.have.length(3000);
    expect(inside[0]).to.equal(outermost.children[0]);
  });
});
