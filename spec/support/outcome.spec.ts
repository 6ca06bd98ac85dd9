// Shows that outcomes are told as they are.
import { expect } from 'chai';
import { failure, nextTurn, outcome, watch } from './outcome';

describe('outcome()', () => {
  it('tells the value or the error', async () => {
    const error = new Error('as planned');
    expect(await outcome(Promise.resolve(1))).to.deep.equal({ value: 1 });
    expect(await outcome(Promise.reject(error))).to.deep.equal({ error });
  });
});

describe('failure()', () => {
  it('resolves with the error, and rejects where there is none', async () => {
    const error = new Error('as planned');
    expect(await failure(Promise.reject(error))).to.equal(error);
    const { error: missing } = await outcome(failure(Promise.resolve(1)));
    expect(missing).to.be.an('error').with.property('message', 'expected a rejection, but it resolved with number');
  });
});

describe('watch()', () => {
  it('shows the state as it changes', async () => {
    let resolve = (_value: number) => {};
    const watched = watch(new Promise<number>((yes) => (resolve = yes)));
    const rejected = watch(Promise.reject(new Error('as planned')));
    await nextTurn();
    expect(watched.state).to.equal('pending');
    expect(rejected).to.have.property('state', 'rejected');
    resolve(7);
    await nextTurn();
    expect(watched).to.deep.equal({ state: 'resolved', value: 7, error: undefined });
  });
});
