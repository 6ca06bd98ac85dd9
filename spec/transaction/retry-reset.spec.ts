// A reset while a block pauses between two attempts: it was asked before the reset, and is not tried again after it.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';
import { type AtomicOptions, ResetError } from '../../lib';
import { millisOf } from '../support/outcome';
import { until } from '../support/until';
import { later, rejection, useStage } from './stage';

/** In milliseconds. */
const PAUSE = 60;

describe('a block that pauses before another attempt', () => {
  const stage = useStage();
  const conflict = Object.assign(new Error('conflict'), { code: '40001' });
  let attempts = 0;
  let isPausing = false;

  beforeEach(() => {
    attempts = 0;
    sinon.stub(Math, 'random').returns(1); // the longest pause there is
  });
  afterEach(() => sinon.restore());

  /** Resolves in the pause after the first attempt. */
  async function pausing(
    options?: AtomicOptions,
    pauseMillis = 10_000,
    isThere = () => isPausing,
  ): Promise<{ block: Promise<unknown> }> {
    isPausing = false;
    const block = later(
      stage.db.atomic(
        async (trx) => {
          await trx('t').insert({ id: ++attempts });
          if (attempts === 1) throw conflict;
        },
        {
          retry: { attempts: 2, minDelayMillis: pauseMillis, maxDelayMillis: pauseMillis },
          hooks: { onRetry: () => void setImmediate(() => (isPausing = true)) },
          ...options,
        },
      ),
    );
    await until('it pauses', isThere);
    return { block };
  }

  for (const connections of ['close', 'recycle'] as const) {
    it(`is rejected with ResetError at once, and not run again (${connections})`, async () => {
      const { block } = await pausing();
      const reset = stage.db.resetConnection({ reason: 'the spec', connections });
      expect(await millisOf(rejection(block))).to.be.below(1000);
      const error = await rejection(block);
      expect(error).to.be.instanceOf(ResetError).and.to.include({ reason: 'the spec', generation: 1, cause: conflict });
      await reset;
      stage.transcript.clear();
      await stage.db.raw('select 1');
      expect(attempts).to.equal(1);
      expect(stage.sql).not.to.include('BEGIN;');
      expect(await stage.ids()).to.deep.equal([]);
    });
  }

  it('does so when the pause would have ended during the reset', async () => {
    const { block } = await pausing({}, PAUSE);
    // Of the same length and begun later: when it ends, the pause has ended.
    const afterPause = sleep(PAUSE);
    await Promise.all([rejection(block), stage.db.resetConnection()]);
    stage.transcript.clear();
    await afterPause;
    await stage.db.raw('select 1');
    expect(stage.sql).not.to.include('BEGIN;');
    expect(attempts).to.equal(1);
    expect(await stage.ids()).to.deep.equal([]);
  });

  it('does so when nothing else is open', async () => {
    const { block } = await pausing();
    await stage.database.terminate((await stage.database.backends())[0]!.pid);
    await until('it is gone', () => stage.db.connectionState().connections.idle === 0);
    await stage.db.resetConnection();
    expect(await rejection(block)).to.be.instanceOf(ResetError);
    expect(attempts).to.equal(1);
  });

  for (const [what, end] of [
    ['a reset', () => stage.db.resetConnection()],
    ['destroy()', () => stage.db.destroy()],
  ] as const) {
    it(`is rejected by ${what} while an onRetry hook never settles`, async () => {
      let isCalled = false;
      const onRetry = () => new Promise<void>(() => (isCalled = true));
      const { block } = await pausing({ hooks: { onRetry } }, 0, () => isCalled);
      await end();
      expect(await rejection(block))
        .to.be.instanceOf(ResetError)
        .and.to.include({ cause: conflict });
      expect(attempts).to.equal(1);
    });
  }

  it('is not rejected by a reset of another instance, nor by one that is over', async () => {
    await stage.db.resetConnection();
    const { block } = await pausing({}, 200);
    await stage.make().resetConnection();
    await block;
    expect(attempts).to.equal(2);
    expect(await stage.ids()).to.deep.equal([2]);
  });
});
