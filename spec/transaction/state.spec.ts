// The table of a transaction's states: each legal move is one, each other is refused, and nothing but `move()` makes one.
import { expect } from 'chai';
import { Life } from '../../lib/transaction/life';
import type { Outcome } from '../../lib/transaction/outcome';
import { type State, type StateName, STATES } from '../../lib/transaction/state';

const committed: Outcome = { kind: 'committed', value: 'value' };
const doomed = new Error('doomed');
const told = new Error('told');

/** A state of each name. */
const EXAMPLES: { [N in StateName]: Extract<State, { is: N }> } = {
  acquiring: { is: 'acquiring' },
  beginning: { is: 'beginning' },
  open: { is: 'open' },
  draining: { is: 'draining', value: 'value' },
  doomed: { is: 'doomed', error: doomed },
  committing: { is: 'committing', value: 'value' },
  rollingBack: { is: 'rollingBack', error: doomed },
  aborted: { is: 'aborted', told, failure: { error: doomed } },
  inDoubt: { is: 'inDoubt', error: doomed, value: 'value', recorded: undefined },
  ended: { is: 'ended', outcome: committed },
  released: { is: 'released', outcome: committed },
};
const NAMES = Object.keys(STATES) as StateName[];

class Watched extends Life {
  readonly parentHasEnded = false;
  readonly arrivals: StateName[] = [];
  readonly outcomes: Outcome[] = [];

  protected override arrived(to: State): void {
    this.arrivals.push(to.is);
  }

  protected override decided(outcome: Outcome): void {
    this.outcomes.push(outcome);
  }
}

const mayFollow = (from: StateName, to: StateName) => (STATES[from].to as readonly StateName[]).includes(to);

/** The shortest way to a state, by the table. */
function wayTo(name: StateName): StateName[] {
  const ways: StateName[][] = [['acquiring']];
  for (const way of ways) {
    const last = way.at(-1)!;
    if (last === name) return way.slice(1);
    for (const next of STATES[last].to) if (!way.includes(next)) ways.push([...way, next]);
  }
  throw new Error(`${name} cannot be reached`);
}

function lifeIn(name: StateName): Watched {
  const life = new Watched();
  for (const each of wayTo(name)) life.move(EXAMPLES[each]);
  return life;
}

describe('the states of a transaction', () => {
  for (const from of NAMES) {
    for (const to of NAMES) {
      if (mayFollow(from, to)) {
        it(`${from} may become ${to}`, () => {
          const life = lifeIn(from);
          life.move(EXAMPLES[to]);
          expect(life.state).to.equal(EXAMPLES[to]);
          expect(life.arrivals.at(-1)).to.equal(to);
        });
      } else {
        it(`${from} never becomes ${to}`, () => {
          const life = lifeIn(from);
          expect(() => life.move(EXAMPLES[to])).to.throw(`cannot move from ${from} to ${to}`);
          expect(life.state.is).to.equal(from);
        });
      }
    }
  }

  it('has an outcome as soon as it is in doubt or has ended, and settles with it once', () => {
    for (const name of NAMES) {
      const life = lifeIn(name);
      const isOver = ['inDoubt', 'ended', 'released'].includes(name);
      expect(life.isOver, name).to.equal(isOver);
      expect(life.outcomes, name).to.have.lengthOf(isOver ? 1 : 0);
    }
  });

  it('keeps its first reason for refusing statements, whatever value that is', () => {
    for (const reason of [doomed, null, undefined, 0, '']) {
      const life = lifeIn('open');
      life.doom(reason);
      life.doom(new Error('later'));
      life.move({ is: 'aborted', told });
      life.move(EXAMPLES.ended);
      expect(life.ownRefusal).to.deep.equal({ error: reason });
    }
  });

  it('is not doomed any more once its end is under way', () => {
    for (const name of ['committing', 'rollingBack', 'aborted', 'inDoubt', 'ended', 'released'] as const) {
      const life = lifeIn(name);
      const before = life.ownRefusal;
      life.doom(new Error('late'));
      expect(life.state.is).to.equal(name);
      expect(life.ownRefusal).to.equal(before);
    }
  });

  it('resolves the waits for its outcome and for its end', async () => {
    const life = lifeIn('open');
    const decided = life.whenDecided;
    const over = life.whenOver;
    life.move(EXAMPLES.draining);
    life.move(EXAMPLES.committing);
    life.move(EXAMPLES.ended);
    await decided;
    life.move(EXAMPLES.released);
    await Promise.all([over, life.whenDecided, life.whenOver]);
  });
});
