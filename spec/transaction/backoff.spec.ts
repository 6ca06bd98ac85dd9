// How long a retried block pauses: exponential, with full jitter, within its bounds.
import { expect } from 'chai';
import sinon from 'sinon';
import type { RetryOptions } from '../../lib';
import { rejection, useStage } from './stage';

describe('the pause before another attempt', () => {
  const stage = useStage();
  let random: sinon.SinonStub;
  let timers: sinon.SinonSpy;

  beforeEach(() => {
    random = sinon.stub(Math, 'random').returns(0);
    timers = sinon.spy(globalThis, 'setTimeout');
  });
  afterEach(() => sinon.restore());

  /** Fails every attempt; gives back the pauses, in milliseconds. */
  async function pauses(retry: RetryOptions): Promise<number[]> {
    const found: number[] = [];
    const conflict = Object.assign(new Error('conflict'), { code: '40001' });
    const hooks = {
      // The pause is the first timer that is set once the hook has run.
      onRetry: () => {
        timers.resetHistory();
        setImmediate(() => found.push(Number(timers.firstCall.args[1] ?? Number.NaN)));
      },
    };
    await rejection(stage.db.atomic(() => Promise.reject(conflict), { retry, hooks }));
    return found;
  }

  it('grows exponentially up to the maximum', async () => {
    random.returns(0.5);
    expect(await pauses({ attempts: 6, minDelayMillis: 2, maxDelayMillis: 20 })).to.deep.equal([1, 2, 4, 8, 10]);
  });

  it('is a random time from 0 to that', async () => {
    random.returns(0);
    expect(await pauses({ attempts: 3, minDelayMillis: 1000 })).to.deep.equal([0, 0]);
    random.returns(0.999);
    const [pause] = await pauses({ attempts: 2, minDelayMillis: 4 });
    expect(pause).to.be.closeTo(4, 0.01);
  });

  it('starts at 10 ms and ends at 1000 by default', async () => {
    random.returns(0.1);
    const [first, second] = await pauses({ attempts: 3 });
    expect([first, second]).to.deep.equal([1, 2]);
    random.returns(0.01);
    const all = await pauses({ attempts: 10 });
    expect(all.at(-1)).to.be.closeTo(10, 0.001);
  });

  it('begins with a minimum that is longer than the default maximum', async () => {
    random.returns(0.001);
    expect(await pauses({ attempts: 3, minDelayMillis: 5000 })).to.deep.equal([5, 5]);
  });

  it('is drawn anew for each attempt', async () => {
    random.onCall(0).returns(0.5).onCall(1).returns(0.25).onCall(2).returns(1);
    expect(await pauses({ attempts: 4, minDelayMillis: 4, maxDelayMillis: 4 })).to.deep.equal([2, 1, 4]);
  });
});
