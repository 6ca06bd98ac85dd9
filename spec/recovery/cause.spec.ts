// Errors around others: the classifiers go by an error's own code, but for a serialization failure that the callback swallowed.
import { expect } from 'chai';
import { CommitUnknownError, isFatal, isRetryable, TransactionFailedError } from '../../lib';

const coded = (code: string, cause?: unknown) => Object.assign(new Error('some text', { cause }), { code });
const wrapped = (cause: unknown) => new Error('could not book the seat', { cause });

describe('an error around another', () => {
  it('is not fatal for its cause, which may be that of another connection', () => {
    expect(isFatal(wrapped(coded('ECONNREFUSED')))).to.be.false;
    expect(isFatal(coded('23505', coded('57P01')))).to.be.false;
  });

  it('is retryable when a transaction failed by a retryable error', () => {
    expect(isRetryable(new TransactionFailedError('it failed', { cause: coded('40001') }))).to.be.true;
    expect(isRetryable(new TransactionFailedError('it failed', { cause: coded('23505') }))).to.be.false;
    expect(isRetryable(wrapped(coded('40001')))).to.be.false;
  });

  it('is not retryable when the outcome of a COMMIT is unknown, whatever the cause', () => {
    expect(isRetryable(new CommitUnknownError('x', { cause: coded('40001') }))).to.be.false;
  });
});
