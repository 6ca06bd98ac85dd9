// A `retry.when` that cannot decide decides against another attempt, and does not hide why the block failed.
import { expect } from 'chai';
import type { RetryOptions, TransactionHookContext } from '../../lib';
import { type AnyError, pidOf, rejection, useStage } from './stage';

describe('retry.when', () => {
  const stage = useStage();
  const conflict = () => Object.assign(new Error('conflict'), { code: '40001' });

  /** Lets a block fail in which every attempt does, and gives back how. */
  async function failing(when: (...args: unknown[]) => unknown): Promise<{ error: AnyError; calls: number }> {
    let calls = 0;
    const retry = { attempts: 4, minDelayMillis: 0, when } as RetryOptions;
    const mine = conflict();
    const block = () => {
      calls++;
      throw mine;
    };
    const error = await rejection(stage.db.atomic(block, { retry }));
    expect(error).to.equal(mine);
    return { error, calls };
  }

  it('decides, asked with the error and the number of the attempt', async () => {
    const asked: unknown[] = [];
    const { error, calls } = await failing((reason, attempt) => {
      asked.push([(reason as AnyError).code, attempt]);
      return attempt !== 3;
    });
    expect(calls).to.equal(3);
    expect(asked).to.deep.equal([
      ['40001', 1],
      ['40001', 2],
      ['40001', 3],
    ]);
    expect(error).not.to.have.property('suppressed');
  });

  it('that throws: the block’s own error comes out, with what was thrown in its suppressed', async () => {
    const thrown = new Error('cannot decide');
    const { error, calls } = await failing(() => {
      throw thrown;
    });
    expect(calls).to.equal(1);
    expect(error.suppressed).to.deep.equal([thrown]);
  });

  const verdicts: [title: string, verdict: unknown, named: RegExp][] = [
    ['a promise of true', Promise.resolve(true), /Promise/],
    ['nothing', undefined, /undefined/],
    ['1', 1, /number 1/],
    ['a text', 'yes', /a string/],
  ];
  for (const [title, verdict, named] of verdicts) {
    it(`that returns ${title}: no further attempt, and a TypeError in its suppressed`, async () => {
      const { error, calls } = await failing(() => verdict);
      expect(calls).to.equal(1);
      expect(error.suppressed).to.have.lengthOf(1);
      expect(error.suppressed?.[0]).to.be.an.instanceof(TypeError);
      expect(error.suppressed?.[0]?.message)
        .to.match(/retry: when/)
        .and.to.match(named);
    });
  }

  it('that returns a promise which rejects: the same, and the rejection does not go unhandled', async () => {
    const { error, calls } = await failing(async () => {
      await Promise.resolve();
      throw new Error('cannot decide');
    });
    expect(calls).to.equal(1);
    expect(error.suppressed?.map(({ name }) => name)).to.deep.equal(['TypeError']);
  });
});

describe('onRetry', () => {
  const stage = useStage();

  it('is told that the error was fatal, after a killed backend', async () => {
    const contexts: TransactionHookContext[] = [];
    const value = await stage.db.atomic(
      async (trx) => {
        if (trx.attempt === 1) {
          await stage.database.terminate(await pidOf(trx));
          await trx.raw('select 1');
        }
        return trx.attempt;
      },
      { retry: { attempts: 2, minDelayMillis: 0 }, hooks: { onRetry: (context) => void contexts.push(context) } },
    );
    expect(value).to.equal(2);
    expect(contexts).to.have.lengthOf(1);
    expect(contexts[0]).to.include({ attempt: 1, fatal: true });
    const error = contexts[0]?.error as AnyError;
    expect([error.code, error.cause?.code]).to.include('57P01');
  });

  it('is told that it was not, after a conflict', async () => {
    const contexts: TransactionHookContext[] = [];
    await stage.db.atomic(
      ({ attempt }) => {
        if (attempt === 1) throw Object.assign(new Error('conflict'), { code: '40001' });
      },
      { retry: { attempts: 2, minDelayMillis: 0 }, hooks: { onRetry: (context) => void contexts.push(context) } },
    );
    expect(contexts.map(({ attempt, fatal }) => [attempt, fatal])).to.deep.equal([[1, false]]);
  });
});
