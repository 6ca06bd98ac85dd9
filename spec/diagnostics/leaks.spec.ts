// That `onLeak` hears of each transaction that is open for longer than `leakAfterMillis`, once.
import { expect } from 'chai';
import type sinon from 'sinon';
import type { OpenTransaction } from '../../lib';
import { registeredOf } from '../../lib/registry';
import { nestSandbox } from '../../lib/sandbox/sandbox';
import { failure, never } from '../support/outcome';
import { expectWarning } from '../support/process-problems';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { expectUserFrames, stopClock } from './stage';

const AFTER = 1000;

describe('onLeak', () => {
  let clock: sinon.SinonFakeTimers;
  // Before the stage clears up, which needs the real clock.
  afterEach(() => clock.restore());
  const stage = useStage();
  let leaks: OpenTransaction[];
  let db: ResettableKnex;

  beforeEach(async () => {
    leaks = [];
    db = stage.resettable({}, { leakAfterMillis: AFTER, onLeak: (leak) => void leaks.push(leak) });
    await db.raw('select 1');
    clock = stopClock();
  });

  const ids = () => leaks.map(({ id }) => id);
  const idsNow = () => db.connectionState().transactions.map(({ id }) => id);

  it('gets a transaction that is open for longer, in its present state', async () => {
    const trx = await (function opener() {
      return db.transaction();
    })();
    await trx.raw('select ?::int', [1]);
    const [backend] = await stage.database.backends();
    clock.tick(AFTER - 1);
    expect(leaks).to.be.empty;
    clock.tick(1);
    expect(leaks).to.have.lengthOf(1);
    expect(leaks[0]).to.include({
      id: idsNow()[0],
      label: undefined,
      backendId: backend?.pid,
      ageMillis: AFTER,
      depth: 1,
      state: 'idle',
      lastSql: 'select $1::int',
    });
    expectUserFrames(leaks[0]!.stack, 'leaks.spec.ts', 'opener');
    await trx.commit();
  });

  it('gets it once, however long it stays open and whatever is open inside', async () => {
    const trx = await db.transaction();
    const savepoint = await trx.transaction();
    for (let i = 0; i < 10; i++) clock.tick(AFTER);
    expect(leaks.map(({ depth }) => depth)).to.deep.equal([2]);
    await savepoint.commit();
    await trx.commit();
  });

  it('gets a block with its label', async () => {
    await db.atomic(
      async (trx) => {
        await trx.raw('select 1');
        clock.tick(AFTER);
      },
      { label: 'billing' },
    );
    expect(leaks).to.have.lengthOf(1);
    expect(leaks[0]).to.include({ label: 'billing', lastSql: 'select 1' });
  });

  it('does not get one that ends in time', async () => {
    await db.transaction((trx) => trx.raw('select 1'));
    await db.atomic((trx) => trx.raw('select 1'));
    await failure(db.atomic((trx) => trx.raw('select 1/0')));
    const trx = await db.transaction();
    clock.tick(AFTER - 1);
    await trx.rollback();
    clock.tick(10 * AFTER);
    expect(leaks).to.be.empty;
  });

  it('gets several, each at its time and once', async () => {
    const first = await db.transaction();
    clock.tick(400);
    const second = await db.transaction();
    clock.tick(300);
    const inTime = await db.transaction();
    const [one, other] = idsNow();
    clock.tick(300);
    expect(ids()).to.deep.equal([one]);
    clock.tick(399);
    expect(ids()).to.deep.equal([one]);
    await inTime.commit();
    clock.tick(1);
    expect(ids()).to.deep.equal([one, other]);
    clock.tick(10 * AFTER);
    expect(ids()).to.deep.equal([one, other]);
    await Promise.all([first.commit(), second.commit()]);
  });

  it('gets one that was opened after another had been reported', async () => {
    const first = await db.transaction();
    clock.tick(3 * AFTER);
    const second = await db.transaction();
    clock.tick(AFTER);
    expect(ids()).to.deep.equal(idsNow());
    await Promise.all([first.commit(), second.commit()]);
  });

  it('gets transactions that are opened after a reset', async () => {
    const before = failure(db.transaction((trx) => trx.raw('select 1').then(never)));
    await until('it is open', () => idsNow().length === 1);
    clock.tick(AFTER - 1);
    await db.resetConnection();
    await before;
    const trx = await db.transaction();
    clock.tick(AFTER - 1);
    expect(leaks).to.be.empty;
    clock.tick(1);
    expect(ids()).to.deep.equal(idsNow());
    await trx.commit();
  });

  describe('in a sandbox', () => {
    it('gets what the app has open for longer, once, and never the sandbox', async () => {
      const sandbox = await db.openSandbox();
      await db.raw('select 1');
      clock.tick(10 * AFTER);
      expect(leaks).to.be.empty;
      const trx = await (function opener() {
        return db.transaction();
      })();
      const savepoint = await trx.transaction();
      await savepoint.raw('select 2');
      clock.tick(AFTER - 1);
      expect(leaks).to.be.empty;
      clock.tick(1);
      for (let i = 0; i < 10; i++) clock.tick(AFTER);
      expect(leaks).to.have.lengthOf(1);
      expect(leaks[0]).to.include({ depth: 2, state: 'idle', lastSql: 'select 2', ageMillis: AFTER });
      expectUserFrames(leaks[0]!.stack, 'leaks.spec.ts', 'opener');
      await savepoint.commit();
      await trx.commit();
      await sandbox.close();
    });

    it('gets a block with its label, also inside a sandbox inside another', async () => {
      const outer = await db.openSandbox();
      const inner = await nestSandbox(registeredOf('spec', db), outer, {});
      await db.atomic(() => void clock.tick(AFTER), { label: 'billing' });
      expect(leaks.map(({ label }) => label)).to.deep.equal(['billing']);
      await inner.close();
      await outer.close();
    });

    it('does not get one that ends in time, by itself or with its sandbox', async () => {
      await db.sandbox(async () => {
        await db.transaction((trx) => trx.raw('select 1'));
        (await db.transaction()).executionPromise.catch(() => {});
      });
      const sandbox = await db.openSandbox();
      (await db.transaction()).executionPromise.catch(() => {});
      clock.tick(AFTER - 1);
      await sandbox.close();
      for (let i = 0; i < 10; i++) clock.tick(AFTER);
      expect(leaks).to.be.empty;
    });
  });

  describe('that throws', () => {
    const failing: Record<string, () => void> = {
      'an error': () => {
        throw new Error('no place to log to');
      },
      'something else': () => {
        // oxlint-disable-next-line typescript/only-throw-error -- what is shown
        throw 'no place to log to';
      },
      'an error, later': async () => {
        await Promise.resolve();
        throw new Error('no place to log to');
      },
    };
    for (const [title, fail] of Object.entries(failing)) {
      it(`is reported by a warning, without another effect (${title})`, async () => {
        expectWarning('no place to log to');
        const called: string[] = [];
        const careless = stage.resettable(
          {},
          { leakAfterMillis: AFTER, onLeak: (leak) => (called.push(leak.id), fail()) },
        );
        const held = [await careless.transaction(), await careless.transaction()];
        clock.tick(AFTER);
        expect(called).to.have.lengthOf(2);
        clock.tick(10 * AFTER);
        expect(called).to.have.lengthOf(2);
        for (const trx of held) {
          expect((await trx.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
          await trx.commit();
        }
      });
    }
  });
});
