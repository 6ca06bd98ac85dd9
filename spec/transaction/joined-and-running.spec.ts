// The rollback of a transaction does not wait for the blocks that have joined it: what they ask later is refused.
import { expect } from 'chai';
import type { Knex } from 'knex';
import {
  type AtomicTransaction,
  atomic,
  type ResettableOptions,
  TransactionFailedError,
  TransactionTimeoutError,
} from '../../lib';
import { defer } from '../../lib/words/waiting';
import { type AnyError, type Db, later, pidOf, rejection, useStage } from './stage';

const never = () => new Promise<never>(() => {});
const joined = { savepoint: false } as const;

/** The server's error says only that it was cancelled. */
function expectRolledBack(error: AnyError): void {
  expect(error).to.include({ code: '57014' });
  expect(error.cause).to.be.instanceOf(TransactionFailedError);
  expect(error.cause?.message).to.match(/rolled back while it ran/);
}

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

  it('says that it was rolled back, where its query is cancelled for that', async () => {
    await stage.db.atomic(async (trx) => {
      let inside: Promise<unknown> | undefined;
      const inner = trx.atomic(async (savepoint) => {
        inside = later(savepoint.atomic((same) => same.raw('select pg_sleep(30)'), joined));
        await stage.running(/pg_sleep/);
        throw mine;
      });
      expect(await rejection(inner)).to.equal(mine);
      expectRolledBack(await rejection(inside as Promise<unknown>));
      // What the server itself cancels has no such cause.
      await trx.raw("set local statement_timeout = '10ms'");
      const timeout = await rejection(trx.atomic((savepoint) => savepoint.raw('select pg_sleep(30)')));
      expect(timeout).to.include({ code: '57014' }).and.not.to.have.property('cause');
    });
  });

  it('lets a transaction be rolled back by its handle', async () => {
    const trx = await stage.db.transaction();
    await trx('t').insert({ id: 1 });
    const inside = later(atomic(trx, () => trx.raw('select pg_sleep(30)'), joined));
    const working = Promise.all([inside, stage.running(/pg_sleep/).then(() => Promise.reject(mine))]);
    expect(await rejection(working)).to.equal(mine);
    await trx.rollback();
    expectRolledBack(await rejection(inside));
    await stage.idle();
    expect(await stage.ids()).to.deep.equal([]);
    expect(await stage.database.locks()).to.deep.equal([]);
  });

  const ENDS: Record<
    string,
    { options?: ResettableOptions; end: (db: Db, trx: Knex.Transaction) => Promise<unknown> }
  > = {
    'a reset': { end: (db) => db.resetConnection() },
    'the death of its connection': { end: async (_, trx) => stage.database.terminate(await pidOf(trx)) },
    'a rollback with a reason': { end: (_, trx) => trx.rollback(mine) },
    'the limit of its transaction': {
      options: { transactionTimeoutMillis: 100 },
      end: (_, trx) => later(trx.executionPromise).catch(() => {}),
    },
  };
  for (const [what, { options, end }] of Object.entries(ENDS)) {
    it(`rejects where it never ends, with what its transaction ends with: ${what}`, async () => {
      const db = stage.make(options);
      const trx = await db.transaction();
      void later(trx.executionPromise);
      const inside = later(atomic(trx, never, joined));
      void atomic(trx, never, joined); // its failure is told by the transaction
      await end(db, trx);
      expect(await rejection(inside)).to.equal(await rejection(trx.executionPromise));
    });
  }

  it('does not resolve where its transaction was rolled back without a reason, whether it ends or not', async () => {
    const trx = await stage.db.transaction();
    const goOn = defer();
    const inside = [() => goOn.promise, never].map((block) => later(atomic(trx, block, joined)));
    await trx.rollback();
    goOn.resolve();
    for (const each of inside) expect((await rejection(each)).message).to.match(/^Transaction query already complete/);
  });
});
