// The classifiers see through errors that application code has put around the database's: they go by `cause`.
import { expect } from 'chai';
import { CommitUnknownError, isFatal, isRetryable, TransactionFailedError } from '../../lib';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { kill, raise, sleeping } from './stage';

const coded = (code: string, cause?: unknown) => Object.assign(new Error('some text', { cause }), { code });
const wrapped = (cause: unknown) => new Error('could not book the seat', { cause });

const FATAL = ['08006', '57P01', '57P05', '25P03', '25P04', '58030', 'F0001', 'XX000', '53300', 'ECONNRESET', 'EPIPE'];
const NOT_FATAL = ['23505', '40001', '40P01', '57014', '55P03', '25P02', '0A000', 'ENOENT'];

describe('isFatal() of an error around another', () => {
  for (const code of FATAL) it(`is true for ${code}`, () => expect(isFatal(wrapped(coded(code)))).to.be.true);
  for (const code of NOT_FATAL) it(`is false for ${code}`, () => expect(isFatal(wrapped(coded(code)))).to.be.false);

  it('is true for the driver’s errors without a code', () => {
    expect(isFatal(wrapped(new Error('Connection terminated unexpectedly')))).to.be.true;
  });

  it('goes as deep as there are causes', () => {
    expect(isFatal(wrapped(wrapped(wrapped(coded('57P01')))))).to.be.true;
  });

  it('ends where causes go round', () => {
    const first = new Error('first');
    first.cause = wrapped(first);
    expect(isFatal(first)).to.be.false;
  });

  it('takes the word of an error that has a code of its own', () => {
    expect(isFatal(coded('23505', coded('57P01')))).to.be.false;
    expect(isFatal(coded('25P02', coded('57P01')))).to.be.false;
  });

  for (const cause of [undefined, null, '57P01', {}]) {
    it(`is false for ${JSON.stringify(cause)} as cause`, () => expect(isFatal(wrapped(cause))).to.be.false);
  }
});

describe('isRetryable() of an error around another', () => {
  for (const code of ['40001', '40P01']) {
    it(`is true for ${code}`, () => expect(isRetryable(wrapped(wrapped(coded(code))))).to.be.true);
  }
  for (const code of ['23505', '57P01', '25P02']) {
    it(`is false for ${code}`, () => expect(isRetryable(wrapped(coded(code)))).to.be.false);
  }

  it('is true for a transaction that failed of it, though the error was swallowed', () => {
    expect(isRetryable(new TransactionFailedError('it failed', { cause: coded('40001') }))).to.be.true;
    expect(isRetryable(new TransactionFailedError('it failed', { cause: coded('23505') }))).to.be.false;
  });

  it('is false for a COMMIT whose outcome is unknown, whatever it is of', () => {
    expect(isRetryable(new CommitUnknownError('x', { cause: coded('40001') }))).to.be.false;
  });
});

describe('an error that application code made of the database’s', () => {
  const stage = useStage();

  it('is fatal where the connection was killed', async () => {
    const { error, pid } = await sleeping(stage, stage.resettable());
    await kill(stage, [pid]);
    expect(isFatal(wrapped(await error))).to.be.true;
  });

  it('is worth another attempt where it was a serialization failure', async () => {
    const db = stage.resettable();
    const block = db.atomic(
      async (trx) => {
        if (trx.attempt === 1) await trx.raw(raise('40001')).catch((error: unknown) => Promise.reject(wrapped(error)));
        return trx.attempt;
      },
      { retry: { attempts: 2, minDelayMillis: 0 } },
    );
    expect(await block).to.equal(2);
  });

  it('is none of the block’s connection where it may be another’s: not fatal in it, and not tried again', async () => {
    const db = stage.resettable();
    let calls = 0;
    const callback = () => {
      calls++;
      return Promise.reject(wrapped(coded('ECONNREFUSED')));
    };
    const hooks = { onFatal: () => expect.fail('it ran') };
    const error = await failure(db.atomic(callback, { retry: { attempts: 3, minDelayMillis: 0 }, hooks }));
    expect(error.message).to.equal('could not book the seat');
    expect(error.suppressed).to.equal(undefined);
    expect(calls).to.equal(1);
  });
});
