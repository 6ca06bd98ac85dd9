// The override of `isFatal` decides what a statement's error costs; one that cannot decide never breaks the query.
import { expect } from 'chai';
import { isFatal, type ResettableOptions } from '../../lib';
import { failure } from '../support/outcome';
import { expectWarning } from '../support/root-hooks';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { idle, kill, pidOf, raise } from './stage';

describe('the override of isFatal, for a query of the pool', () => {
  const stage = useStage();
  let db: ResettableKnex;
  let pids: number[];

  async function make(override: ResettableOptions['isFatal'], onFatal?: ResettableOptions['onFatal']): Promise<void> {
    db = stage.resettable({}, { isFatal: override, onFatal });
    pids = await idle(db, 2);
  }

  async function expectKept(): Promise<void> {
    await until('it is idle again', () => db.connectionState().connections.idle === 2);
    expect((await stage.database.backends()).map(({ pid }) => pid)).to.have.members(pids);
  }

  it('is called with the driver’s error and the standard verdict', async () => {
    const asked: { error: unknown; standard: boolean }[] = [];
    await make((error, standard) => {
      asked.push({ error, standard });
      return standard;
    });
    const errors = [await failure(db.raw('select 1/0')), await failure(db.raw(raise('58030')))];
    expect(asked.map(({ standard }) => standard)).to.deep.equal([false, true]);
    for (const [n, { error, standard }] of asked.entries()) {
      expect(error).to.equal(errors[n]);
      expect(isFatal(error)).to.equal(standard);
    }
  });

  it('is not called when nothing fails, not even when a transaction is rolled back by hand', async () => {
    await make(() => expect.fail('it was asked'));
    await db.transaction((trx) => trx.raw('select 1'));
    await (await db.transaction()).rollback();
    await db.raw('select 1');
    await expectKept();
  });

  it('closes the connection for an error that it calls fatal, and the idle ones', async () => {
    await make((error, standard) => standard || (error as { code?: string }).code === '22012');
    expect(await failure(db.raw('select 1/0'))).to.include({ code: '22012' });
    expect(pids).not.to.include(await pidOf(db));
    expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
  });

  it("closes only the connection, with 'discard'", async () => {
    await make(() => true, 'discard');
    await failure(db.raw('select 1/0'));
    expect(await pidOf(db)).to.equal(pids[0]);
  });

  it("resets, with 'reset'", async () => {
    await make(() => true, 'reset');
    await failure(db.raw('select 1/0'));
    expect(pids).not.to.include(await pidOf(db));
    expect(db.connectionState().generation).to.equal(1);
  });

  it('keeps the connection for an error that it calls harmless', async () => {
    await make(() => false);
    expect(await failure(db.raw(raise('58030')))).to.include({ code: '58030' });
    await expectKept();
  });

  it('cannot keep a connection that has ended', async () => {
    await make(() => false);
    await kill(stage, pids);
    await until('it was heard of', () => db.connectionState().connections.idle === 0);
    expect(pids).not.to.include(await pidOf(db));
  });

  describe('that throws', () => {
    const thrown = new Error('the classifier failed');
    const throwing = () => {
      throw thrown;
    };

    it('is reported as a warning, and the query rejects with its own error', async () => {
      expectWarning('the classifier failed');
      await make(throwing);
      expect(await failure(db.raw('select 1/0'))).to.include({ code: '22012' });
    });

    it('leaves it at the standard verdict: harmless', async () => {
      expectWarning('the classifier failed');
      await make(throwing);
      await failure(db.raw('select 1/0'));
      await expectKept();
    });

    it('leaves it at the standard verdict: fatal', async () => {
      expectWarning('the classifier failed');
      await make(throwing);
      expect(await failure(db.raw(raise('58030')))).to.include({ code: '58030' });
      expect(pids).not.to.include(await pidOf(db));
    });

    for (const [what, value] of [
      ['a string', 'the classifier failed'],
      ['nothing', undefined],
      ['an object without a prototype', Object.create(null)],
      ['a symbol', Symbol('the classifier failed')],
    ] as const) {
      it(`may throw ${what}`, async () => {
        expectWarning('isFatal threw');
        await make(() => {
          throw value;
        });
        expect(await failure(db.raw('select 1/0'))).to.include({ code: '22012' });
        await expectKept();
      });
    }
  });
});
