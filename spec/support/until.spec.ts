// Shows when waiting for a condition ends, and how.
import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import { until } from './until';

describe('until()', () => {
  it('resolves with the first truthy value', async () => {
    let asked = 0;
    expect(await until('asked three times', async () => ++asked === 3 && 'yes')).to.equal('yes');
    expect(asked).to.equal(3);
  });

  it('rejects with the description when the time is over', async () => {
    const error = await until('pigs fly', () => false, { timeoutMillis: 10 }).catch((reason: unknown) => reason);
    expect(error).to.be.an('error').with.property('message').that.includes('pigs fly');
  });

  it('rejects with what the condition throws', async () => {
    const thrown = new Error('broken condition');
    expect(await until('never', () => Promise.reject(thrown)).catch((reason: unknown) => reason)).to.equal(thrown);
  });

  it('keeps to the real clock while a spec has faked it', async () => {
    const clock = useFakeTimers();
    try {
      const error = await until('pigs fly', () => false, { timeoutMillis: 10 }).catch((reason: unknown) => reason);
      expect(error).to.be.an('error');
    } finally {
      clock.restore();
    }
  });
});
