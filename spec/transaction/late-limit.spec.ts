// Limits that are reached early or late: before the block has begun, after its outcome, while its hooks run.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { TransactionTimeoutError, type TransactionHookContext } from '../../lib';
import { defer } from '../../lib/words/waiting';
import { never, watch } from '../support/outcome';
import { until } from '../support/until';
import { type Db, later, pidOf, rejection, useStage } from './stage';

const insert = async (db: { raw: Db['raw'] }, id: number) => {
  await db.raw(`insert into t values (${id})`);
};
const mine = new Error('mine');
/** Time enough for a starved process to get to the outcome before it. */
const LIMIT = 1000;
const limitIsOver = (start: number) => until('the limit is over', () => performance.now() - start > LIMIT + 50);

describe('limits', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  describe('that is reached after the outcome', () => {
    it('does not reject a committed block', async () => {
      const start = performance.now();
      const value = await stage.db.atomic(
        async (trx) => {
          await insert(trx, 1);
          trx.afterCommit(async () => void (await limitIsOver(start)));
          return 'value';
        },
        { timeoutMillis: LIMIT },
      );
      expect(value).to.equal('value');
    });

    it('does not hide what the block threw', async () => {
      const start = performance.now();
      const block = stage.db.atomic(
        (trx) => {
          trx.afterRollback(async () => void (await limitIsOver(start)));
          throw mine;
        },
        { timeoutMillis: LIMIT },
      );
      expect(await rejection(block)).to.equal(mine);
    });
  });

  describe('that is reached while an afterBegin hook runs', () => {
    it('keeps the block from running', async () => {
      let isRun = false;
      const [hooked, end] = [defer(), defer()];
      const afterBegin = async () => {
        hooked.resolve();
        await end.promise;
      };
      const block = later(stage.db.atomic(() => void (isRun = true), { timeoutMillis: LIMIT, hooks: { afterBegin } }));
      await hooked.promise;
      expect(await rejection(block)).to.be.instanceOf(TransactionTimeoutError);
      end.resolve();
      await stage.db.raw('select 1'); // on the only connection
      expect(isRun).to.equal(false);
    });

    it('keeps the block from running beside its next attempt', async () => {
      let inside = 0;
      let most = 0;
      const afterBegin = async ({ trx, attempt }: TransactionHookContext) => {
        if (attempt > 1) return;
        await stage.database.query(`select pg_terminate_backend(${await pidOf(trx)})`);
        await sleep(100);
      };
      await stage.db.atomic(
        async () => {
          most = Math.max(most, ++inside);
          await sleep(200);
          inside--;
        },
        { retry: { attempts: 2, minDelayMillis: 0 }, hooks: { afterBegin } },
      );
      expect(most).to.equal(1);
    });
  });

  it('end a block with retry whose connection died and whose callback hangs', async () => {
    const block = watch(
      stage.db.atomic(
        async (trx) => {
          await stage.database.query(`select pg_terminate_backend(${await pidOf(trx)})`);
          await never();
        },
        { retry: 2, timeoutMillis: 300 },
      ),
    );
    await until('it is rejected', () => block.state === 'rejected');
  });

  it('of an inner block whose SAVEPOINT still waits do not affect the outer one', async () => {
    const holder = await stage.make().transaction();
    await holder.raw('lock table t');
    await stage.db.atomic(async (trx) => {
      const slow = later(trx.raw('select count(*) from t'));
      const inner = trx.atomic(() => {}, { timeoutMillis: 50 });
      expect(await rejection(inner)).to.be.instanceOf(TransactionTimeoutError);
      await holder.rollback();
      await slow;
      await insert(trx, 1);
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });
});
