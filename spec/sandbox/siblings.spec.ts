// What a transaction in a sandbox waits for before it begins: those that would have a connection each run one after the other.
import { expect } from 'chai';
import type { Enclosing } from '../../lib/transaction/enclosing';
import { waitForSiblings } from '../../lib/transaction/sandbox-waits';
import { defer } from '../../lib/words/waiting';
import { nextTurn, watch } from '../support/outcome';

/** A transaction, as far as another one waits for it. */
class Sibling {
  isOver = false;
  /** How often it was asked when it is decided. */
  asked = 0;
  readonly #decided = defer<void>();

  get whenDecided(): Promise<void> {
    this.asked++;
    return this.#decided.promise;
  }

  decide(): void {
    this.isOver = true;
    this.#decided.resolve();
  }
}

/** Asks for one behind others. */
function behind(earlier: Sibling[]) {
  const self = new Sibling();
  const children = new Set(earlier);
  const mutex = { count: (wait: Promise<unknown>) => wait };
  const parent = { children, connection: { mutex }, instance: { acquireTimeoutMillis: 60_000 } };
  const wait = watch(waitForSiblings(parent as unknown as Enclosing, () => self as never));
  children.add(self).add(new Sibling());
  return wait;
}

describe('a transaction in a sandbox, behind others', () => {
  it('waits for the last of them alone, however many there are: that one has waited for the others', async () => {
    const earlier = Array.from({ length: 100 }, () => new Sibling());
    const wait = behind(earlier);
    for (const each of earlier) each.decide();
    await nextTurn();
    expect(wait.state).to.equal('resolved');
    expect(earlier.reduce((sum, { asked }) => sum + asked, 0)).to.equal(1);
  });

  it('does not pass the others where the last one has given up its wait', async () => {
    const [first, last] = [new Sibling(), new Sibling()] as const;
    const wait = behind([first, last]);
    last.decide();
    await nextTurn();
    expect(wait.state).to.equal('pending');
    first.decide();
    await nextTurn();
    expect(wait.state).to.equal('resolved');
  });

  it('waits for nobody where all are over', async () => {
    const earlier = [new Sibling(), new Sibling()];
    for (const each of earlier) each.decide();
    const wait = behind(earlier);
    await nextTurn();
    expect(wait.state).to.equal('resolved');
    expect(earlier.map(({ asked }) => asked)).to.deep.equal([0, 0]);
  });
});
