// How much time a reset has left when its grace is over.
import { expect } from 'chai';
import { TeardownTime } from '../../lib/reset/teardown-time';

describe('the time of a teardown', () => {
  it('is timeoutMillis from the end of the grace, however early that ends', () => {
    expect(new TeardownTime(300_000, 60_000).end().leftMillis).to.be.within(30_000, 60_000);
    expect(new TeardownTime(0, 60_000).end().leftMillis).to.be.within(30_000, 60_000);
  });

  it('is shortened by a later call with less time, also once the grace is over', () => {
    const time = new TeardownTime(0, 300_000);
    const rest = time.end();
    const third = rest.part(1 / 3);
    time.hurry(0, 60_000);
    expect(rest.leftMillis).to.be.within(30_000, 60_000);
    expect(third.leftMillis).to.be.within(10_000, 20_000);
  });

  it('is not prolonged by a later call with more time', () => {
    const time = new TeardownTime(0, 60_000);
    const rest = time.end();
    time.hurry(100_000, 300_000);
    expect(rest.leftMillis).to.be.within(30_000, 60_000);
  });

  it('is that of the call with the least time, where that came in the grace', () => {
    const time = new TeardownTime(300_000, 300_000);
    time.hurry(0, 60_000);
    expect(time.grace.leftMillis).to.equal(0);
    expect(time.end().leftMillis).to.be.within(30_000, 60_000);
  });
});
