// The rollback of a transaction does not wait for the blocks that have joined it: what they ask later is refused.
import { expect } from 'chai';
import { type AtomicTransaction, TransactionTimeoutError } from '../../lib';
import { later, rejection, useStage } from './stage';

const never = () => new Promise<never>(() => {});
const joined = { savepoint: false } as const;

describe('a block that has joined another and runs on', () => {
  // Longer than a test may take.
  const stage = useStage({ timeoutMillis: 60_000 });
  const mine = new Error('mine');

  it('does not hold up the limit of that', async () => {
    const error = await rejection(stage.db.atomic((trx) => trx.atomic(never, joined), { timeoutMillis: 100 }));
    expect(error).to.be.instanceOf(TransactionTimeoutError);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
  });

  const fails = (trx: AtomicTransaction) =>
    Promise.all([trx.atomic(() => Promise.reject(mine), joined), trx.atomic(never, joined)]);

  it('does not hold up the failure of another beside it, in a block and in a savepoint', async () => {
    expect(await rejection(stage.db.atomic(fails))).to.equal(mine);
    await stage.db.atomic(async (trx) => {
      await trx.raw('insert into t values (1)');
      expect(await rejection(trx.atomic(fails))).to.equal(mine);
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('is refused what it asks afterwards', async () => {
    let goOn = () => {};
    const waits = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let late: Promise<unknown> | undefined;
    const block = stage.db.atomic(async (trx) => {
      late = later(trx.atomic((inner) => waits.then(() => inner.raw('insert into t values (1)')), joined));
      throw mine;
    });
    expect(await rejection(block)).to.equal(mine);
    goOn();
    await rejection(late as Promise<unknown>);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
  });
});
