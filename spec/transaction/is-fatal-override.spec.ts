// The user's own classifier, and what becomes of one that throws.
import { expect } from 'chai';
import { expectWarning } from '../support/root-hooks';
import { uncaughtDuring } from '../support/uncaught';
import { pidOf, rejection, useStage } from './stage';

describe('the override of isFatal', () => {
  const stage = useStage();
  const raise = (code: string) => `do $$ begin raise exception 'pretended' using errcode = '${code}'; end $$`;

  it('is asked with the error and the standard verdict', async () => {
    const asked: unknown[] = [];
    const db = stage.make({
      isFatal: (error, standard) => {
        asked.push([(error as { code?: string }).code, standard]);
        return standard;
      },
    });
    await rejection(db.atomic((trx) => trx.raw(raise('58030'))));
    expect(asked).to.deep.include(['58030', true]);
    asked.length = 0;
    await rejection(db.atomic((trx) => trx.raw('select 1/0')));
    expect(asked).to.deep.include(['22012', false]);
  });

  it('decides for a query outside of a transaction as well', async () => {
    const db = stage.make({ isFatal: (_, standard) => standard });
    const pid = await pidOf(db);
    await rejection(db.raw('select 1/0'));
    expect(await pidOf(db)).to.equal(pid);
  });

  it('is reported as a warning when it throws, and the standard verdict counts', async () => {
    expectWarning('the classifier failed');
    const db = stage.make({
      isFatal: () => {
        throw new Error('the classifier failed');
      },
    });
    const pid = await pidOf(db);
    expect(await rejection(db.atomic((trx) => trx.raw('select 1/0')))).to.include({ code: '22012' });
    expect(await pidOf(db)).to.equal(pid);
    expect(await rejection(db.atomic((trx) => trx.raw(raise('58030'))))).to.include({ code: '58030' });
    expect(await pidOf(db)).not.to.equal(pid);
  });

  it('may throw where what hears of warnings throws, too', async () => {
    const emitWarning = process.emitWarning.bind(process);
    const refused = new Error('no warnings in this suite');
    process.emitWarning = () => {
      throw refused;
    };
    try {
      const db = stage.make({
        isFatal: () => {
          throw new Error('the classifier failed');
        },
      });
      const uncaught = await uncaughtDuring(async () => {
        expect(await rejection(db.atomic((trx) => trx.raw('select 1/0')))).to.include({ code: '22012' });
        expect(await rejection(db.raw('select 1/0'))).to.include({ code: '22012' });
      });
      expect(new Set(uncaught)).to.deep.equal(new Set([refused]));
    } finally {
      process.emitWarning = emitWarning;
    }
  });

  it('may throw what cannot be read', async () => {
    expectWarning('isFatal threw something that has no text');
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const db = stage.make({
      isFatal: () => {
        throw proxy;
      },
    });
    expect(await rejection(db.atomic((trx) => trx.raw('select 1/0')))).to.include({ code: '22012' });
    expect(await rejection(db.raw('select 1/0'))).to.include({ code: '22012' });
  });

  it('decides which errors are retried', async () => {
    let calls = 0;
    const db = stage.make({ isFatal: () => false });
    const failing = () => {
      calls++;
      throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
    };
    expect(await rejection(db.atomic(failing, { retry: { attempts: 3, minDelayMillis: 0 } }))).to.include({
      code: 'ECONNRESET',
    });
    expect(calls).to.equal(1);
  });
});
