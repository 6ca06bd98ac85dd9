// That the watch for leaks keeps no process alive, and leaves no timer behind.
import { expect } from 'chai';
import sinon from 'sinon';
import { failure, never } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { stopClock } from './stage';

describe('the watch for leaks', () => {
  let clock: sinon.SinonFakeTimers | undefined;
  let set: sinon.SinonSpy | undefined;
  // Before the stage clears up, which needs the real clock.
  afterEach(() => {
    sinon.restore();
    set = clock = undefined;
  });
  const stage = useStage();

  const watched = (): ResettableKnex => stage.resettable({}, { leakAfterMillis: 60_000, onLeak: () => {} });
  const keepingAlive = () => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;

  it('keeps no process alive while a transaction is open', async () => {
    const db = watched();
    await db.raw('select 1'); // so that the pool has its own timers
    const before = keepingAlive();
    const trx = await db.transaction();
    expect(keepingAlive()).to.equal(before);
    await trx.commit();
  });

  it('keeps no process alive while it waits for the second of two', async () => {
    const db = watched();
    await Promise.all([db.raw('select 1'), db.raw('select 2')]);
    // Those are lent without a timer.
    await until('two connections are idle', () => db.connectionState().connections.idle === 2);
    clock = stopClock();
    set = sinon.spy(globalThis, 'setTimeout');
    const held = [await db.transaction()];
    clock.tick(20_000);
    held.push(await db.transaction());
    clock.tick(40_000);
    expect(set.args.map(([, millis]) => millis)).to.deep.equal([60_000, 20_000]);
    for (const timer of set.returnValues) expect(timer.hasRef()).to.equal(false);
    await Promise.all(held.map((trx) => trx.commit()));
  });

  describe('leaves no timer behind', () => {
    let db: ResettableKnex;
    let before: number;

    beforeEach(async () => {
      db = watched();
      await db.raw('select 1');
      clock = stopClock();
      before = clock.countTimers();
    });
    const timers = () => (clock?.countTimers() ?? 0) - before;

    it('when the last transaction has ended', async () => {
      const [first, second] = [await db.transaction(), await db.transaction()];
      expect(timers()).to.equal(1);
      await first.commit();
      expect(timers()).to.equal(1);
      await second.rollback();
      expect(timers()).to.equal(0);
    });

    it('when a block has failed', async () => {
      await failure(
        db.atomic(async () => {
          expect(timers()).to.equal(1);
          throw new Error('mine');
        }),
      );
      expect(timers()).to.equal(0);
    });

    it('when all that is open was reported', async () => {
      const trx = await db.transaction();
      clock?.tick(60_000);
      expect(timers()).to.equal(0);
      await trx.commit();
      expect(timers()).to.equal(0);
    });

    it('when a reset has ended them', async () => {
      const lefts = [1, 2].map(() => failure(db.transaction((trx) => trx.raw('select 1').then(never))));
      await until('they are open', () => db.connectionState().transactions.length === 2);
      expect(timers()).to.equal(1);
      await db.resetConnection();
      await Promise.all(lefts);
      expect(timers()).to.equal(0);
    });
  });

  it('sets no timer when there is no onLeak', async () => {
    const db = stage.resettable({}, { leakAfterMillis: 60_000 });
    await db.raw('select 1');
    clock = stopClock();
    await db.transaction((trx) => trx.raw('select 1').then(() => expect(clock?.countTimers()).to.equal(0)));
  });
});
