// What was begun inside a transaction and ends after it: it leaves the connection alone, which may be somebody else’s by then.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { defer } from '../../lib/words/waiting';
import { never, type Outcome, outcome } from '../support/outcome';
import { until } from '../support/until';
import { later, rejection, useStage } from './stage';

const mine = new Error('mine');
const LIMIT = 100;

describe('inner transactions', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  /** What becomes of a query of the next borrower's that is under way while something else happens. */
  async function borrowing(meanwhile: () => Promise<unknown>): Promise<Outcome<unknown>> {
    const other = stage.make();
    const holder = await other.transaction();
    await holder.raw('lock table t');
    const query = outcome(stage.db.raw('select count(*) from t'));
    await stage.running(/count/);
    await meanwhile();
    await holder.rollback();
    return query;
  }

  describe('that outlive their outer one', () => {
    it('do not affect the next borrower of the connection when they throw', async () => {
      const [begun, end] = [defer(), defer()];
      let inner: Promise<unknown> | undefined;
      const block = stage.db.atomic(async (trx) => {
        inner = outcome(
          trx.atomic(async () => {
            begun.resolve();
            await end.promise;
            throw new Error('inner');
          }),
        );
        await begun.promise;
        throw mine;
      });
      expect(await rejection(block)).to.equal(mine);
      const { error } = await borrowing(async () => {
        end.resolve();
        await inner;
      });
      expect(error).to.equal(undefined);
    });

    it('do not affect the next borrower of the connection when their handle ends them', async () => {
      const { handle } = await stage.db.transaction(async (trx) => ({ handle: await trx.transaction() }));
      const { error } = await borrowing(() => handle.rollback());
      expect(error).to.equal(undefined);
    });

    it('are undone with the outermost one, also when the one between was released', async () => {
      const outer = await stage.db.transaction();
      const between = await outer.transaction();
      const inner = await between.transaction();
      void later(inner.executionPromise);
      await inner.raw('insert into t values (1)');
      await between.commit();
      await outer.rollback();
      expect(await rejection(inner.commit())).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('do not affect the next borrower of the connection when their time is up', async () => {
      const begun = defer();
      const start = performance.now();
      const block = stage.db.atomic(async (trx) => {
        void later(
          trx.atomic(
            () => {
              begun.resolve();
              return never();
            },
            { timeoutMillis: LIMIT },
          ),
        );
        await begun.promise;
        throw mine;
      });
      expect(await rejection(block)).to.equal(mine);
      const { error } = await borrowing(() => until('its time is over', () => performance.now() - start > 2 * LIMIT));
      expect(error).to.equal(undefined);
    });
  });

  it('are stored with the transaction around them, and their commit() resolves', async () => {
    let inner: Knex.Transaction | undefined;
    await stage.db.transaction(async (trx) => {
      inner = await trx.transaction();
      await inner('t').insert({ id: 1 });
    });
    stage.transcript.clear();
    await inner!.commit();
    expect(stage.sql).to.deep.equal([]);
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('are undone with the transaction around them, and their commit() rejects', async () => {
    let inner: Knex.Transaction | undefined;
    const outer = stage.db.transaction(async (trx) => {
      inner = await trx.transaction();
      void later(inner.executionPromise);
      await inner('t').insert({ id: 1 });
      throw new Error('undone');
    });
    await rejection(outer);
    await rejection(inner!.commit());
    expect(await stage.ids()).to.deep.equal([]);
  });
});
