// The rule by which requests for a connection are admitted.
import { expect } from 'chai';
import { AcquireQueue, type Request } from '../../lib/pool/acquire-queue';

describe('a request for a connection', () => {
  const request = (): Request => ({ askedAt: undefined, enclosing: undefined, isEarlier: false, verdict: undefined });

  function turnedAway(queue: AcquireQueue, how: 'reject' | 'requeue', asked = request()): Request {
    queue.add(asked, {} as never);
    queue.turnAway(
      how,
      () => new Error('a reset'),
      () => {},
    );
    return asked;
  }

  it('gets a connection now, or is held while the gate is closed', () => {
    const queue = new AcquireQueue();
    expect(queue.admissionOf(request())).to.equal('now');
    queue.closeGate();
    expect(queue.admissionOf(request())).to.equal('held');
    queue.openGate();
    expect(queue.admissionOf(request())).to.equal('now');
  });

  it('is held when a reset has decided that it is to be made again, also once the gate is open', () => {
    const queue = new AcquireQueue();
    expect(queue.admissionOf(turnedAway(queue, 'requeue'))).to.equal('held');
  });

  it('is rejected with the error of the reset', () => {
    const queue = new AcquireQueue();
    const rejected = turnedAway(queue, 'reject');
    expect(queue.admissionOf(rejected)).to.equal('rejected');
    expect(queue.refusalOf(rejected).message).to.equal('a reset');
  });

  it('is rejected with that error where it cannot be made again', () => {
    const queue = new AcquireQueue();
    const earlier = turnedAway(queue, 'requeue', { ...request(), isEarlier: true });
    expect(queue.admissionOf(earlier)).to.equal('rejected');
    expect(queue.refusalOf(earlier).message).to.equal('a reset');
  });

  it('is turned away with all others at once: each alone would have the real pool look through its queue', () => {
    const queue = new AcquireQueue();
    for (let i = 0; i < 5; i++) queue.add(request(), { i } as never);
    const told: number[] = [];
    queue.turnAway(
      'reject',
      () => new Error('a reset'),
      (pending) => void told.push(pending.size),
    );
    expect(told).to.deep.equal([5]);
  });

  it('is rejected with an error after destroy(), also where it was to be made again', () => {
    const queue = new AcquireQueue();
    const again = turnedAway(queue, 'requeue');
    queue.isClosed = true;
    for (const each of [again, request()]) {
      expect(queue.admissionOf(each)).to.equal('rejected');
      expect(queue.refusalOf(each).message).to.equal('Unable to acquire a connection');
    }
  });
});
