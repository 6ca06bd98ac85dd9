// Work with several waiters: the bound of one neither ends it for another nor holds another up.
import { expect } from 'chai';
import { type SharedTime, SharedWork } from '../../lib/words/shared-work';
import { type Deadline, defer, sleep, within } from '../../lib/words/waiting';
import { until } from '../support/until';

const LONG = 60_000;
const SHORT = 20;

/** Work that does nothing but show its time. */
function work() {
  const end = defer<string>();
  let time: SharedTime | undefined;
  const shared = new SharedWork((given) => {
    time = given;
    return end.promise;
  });
  return { shared, end, time: () => time as SharedTime };
}

/** But for the fraction of a millisecond that a timer is early. */
const isOver = (deadline: Deadline) => deadline.leftMillis < 1;

describe('shared work', () => {
  it('goes on for a waiter with more time when the first one has given up', async () => {
    const { shared, end, time } = work();
    const first = shared.join(SHORT);
    const second = shared.join(LONG);
    expect(await first).to.equal(undefined);
    expect(isOver(time().latest)).to.equal(false);
    end.resolve('done');
    expect(await second).to.equal('done');
  });

  it('has no more time once nobody needs it, though a waiter has more', async () => {
    const { shared, end, time } = work();
    const waiter = shared.join(LONG);
    shared.end();
    expect(isOver(time().latest)).to.equal(true);
    end.resolve('done');
    expect(await waiter).to.equal('done');
  });

  it('has a step of it prolonged by a waiter with more time', async () => {
    const { shared, end, time } = work();
    const first = shared.join(SHORT);
    const step = within(time().latest.part(1 / 2), end.promise);
    const second = shared.join(LONG);
    await first;
    await sleep(SHORT);
    end.resolve('done');
    expect(await Promise.all([step, second])).to.deep.equal(['done', 'done']);
  });

  it('hurries for a waiter with less time, and goes on for the first', async () => {
    const { shared, end, time } = work();
    const first = shared.join(LONG);
    const hurried = sleep(time().soonest.part(1 / 2));
    expect(await shared.join(SHORT)).to.equal(undefined);
    await hurried;
    expect(isOver(time().soonest)).to.equal(true);
    expect(isOver(time().latest)).to.equal(false);
    end.resolve('done');
    expect(await first).to.equal('done');
  });

  it('ends where the waiter with the most time is hurried', async () => {
    const { shared, time } = work();
    const outer = new SharedWork(async ({ soonest }) => shared.join(soonest));
    const first = outer.join(LONG);
    await outer.join(SHORT);
    await first;
    await until('its time is up', () => isOver(time().latest));
  });

  it('is started by its first waiter, and once', async () => {
    let starts = 0;
    const shared = new SharedWork(async () => ++starts);
    expect(starts).to.equal(0);
    expect(await Promise.all([shared.join(LONG), shared.join(SHORT)])).to.deep.equal([1, 1]);
  });
});
