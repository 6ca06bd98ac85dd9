// The rollback of a transaction does not wait for the blocks that have joined it: what they ask later is refused.
import { expect } from 'chai';
import { type AtomicTransaction, atomic, TransactionTimeoutError } from '../../lib';
import { later, rejection, useStage } from './stage';

const never = () => new Promise<never>(() => {});
const joined = { savepoint: false } as const;

describe('a joined block that continues after its transaction', () => {
  // Longer than a test may take.
  const stage = useStage({ timeoutMillis: 60_000 });
  const mine = new Error('mine');

  it('does not delay the limit of the transaction', async () => {
    const error = await rejection(stage.db.atomic((trx) => trx.atomic(never, joined), { timeoutMillis: 100 }));
    expect(error).to.be.instanceOf(TransactionTimeoutError);
    expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
  });

  const fails = (trx: AtomicTransaction) =>
    Promise.all([trx.atomic(() => Promise.reject(mine), joined), trx.atomic(never, joined)]);

  it('does not delay the failure of another one, in a block and in a savepoint', async () => {
    expect(await rejection(stage.db.atomic(fails))).to.equal(mine);
    await stage.db.atomic(async (trx) => {
      await trx.raw('insert into t values (1)');
      expect(await rejection(trx.atomic(fails))).to.equal(mine);
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('has its later queries refused', async () => {
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

  it('lets a transaction be rolled back by its handle', async () => {
    const trx = await stage.db.transaction();
    await trx('t').insert({ id: 1 });
    let inside: Promise<unknown> | undefined;
    const working = Promise.all([
      atomic(trx, () => (inside = trx.raw('select pg_sleep(30)')), joined),
      stage.running(/pg_sleep/).then(() => Promise.reject(mine)),
    ]);
    expect(await rejection(working)).to.equal(mine);
    await trx.rollback();
    await rejection(inside as Promise<unknown>);
    await stage.idle();
    expect(await stage.ids()).to.deep.equal([]);
    expect(await stage.database.locks()).to.deep.equal([]);
  });
});
