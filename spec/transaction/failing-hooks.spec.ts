// A hook that throws: before COMMIT it undoes the block, after COMMIT it never can.
import { expect } from 'chai';
import { AfterCommitError } from '../../lib';
import type { TransactionHooks } from '../../lib';
import { pidOf, rejection, useStage } from './stage';

describe('a hook that throws', () => {
  const stage = useStage();
  const mine = new Error('mine');
  const thrower = () => {
    throw mine;
  };
  const insert = (trx: { raw(sql: string): PromiseLike<unknown> }) => trx.raw('insert into t values (1)');

  describe('as afterBegin', () => {
    it('rolls back, and the block is not called', async () => {
      let calls = 0;
      const error = await rejection(stage.db.atomic(() => void calls++, { hooks: { afterBegin: thrower } }));
      expect(error).to.equal(mine);
      expect(calls).to.equal(0);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
    });

    it('rejects the handle of a plain transaction', async () => {
      const db = stage.make({ hooks: { afterBegin: thrower } });
      expect(await rejection(db.transaction())).to.equal(mine);
      await stage.idle(db);
    });

    it('undoes only the savepoint of an inner block', async () => {
      await stage.db.atomic(async (trx) => {
        const inner = trx.atomic(() => {}, { hooks: { afterBegin: thrower } });
        expect(await rejection(inner)).to.equal(mine);
        await insert(trx);
      });
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  describe('as beforeCommit', () => {
    it('rolls back, and nothing is stored', async () => {
      const ran: string[] = [];
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          trx.beforeCommit(thrower);
          trx.beforeCommit(() => void ran.push('beforeCommit'));
          trx.afterCommit(() => void ran.push('afterCommit'));
          trx.afterRollback(({ error: reason }) => void ran.push(reason === mine ? 'afterRollback' : 'wrong'));
          await insert(trx);
        }),
      );
      expect(error).to.equal(mine);
      expect(ran).to.deep.equal(['afterRollback']);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'ROLLBACK']);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('rolls a plain transaction back by its handle', async () => {
      const db = stage.make({ hooks: { beforeCommit: thrower } });
      const trx = await db.transaction();
      await insert(trx);
      expect(await rejection(trx.commit())).to.equal(mine);
      expect(await rejection(trx.executionPromise)).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('rolls back when a statement of the hook fails', async () => {
      const error = await rejection(
        stage.db.atomic(insert, { hooks: { beforeCommit: ({ trx }) => trx.raw('select 1/0') } }),
      );
      expect(error).to.include({ code: '22012' });
      expect(await stage.ids()).to.deep.equal([]);
    });
  });

  describe('as afterCommit', () => {
    const result = { some: 'value' };
    const second = new Error('second');

    async function failAfterCommit(run: (hooks: TransactionHooks) => Promise<unknown>) {
      const ran: string[] = [];
      const error = await rejection(
        run({
          afterCommit() {
            ran.push('afterCommit');
            throw mine;
          },
          afterRollback: () => void ran.push('afterRollback'),
          onRetry: () => void ran.push('onRetry'),
        }),
      );
      expect(error).to.be.instanceOf(AfterCommitError);
      expect(error).to.include({ code: 'ERR_AFTER_COMMIT', committed: true });
      expect(ran).to.deep.equal(['afterCommit']);
      return error;
    }

    it('leaves the data committed, runs the other hooks, and rejects with AfterCommitError', async () => {
      const ran: number[] = [];
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await insert(trx);
          trx.afterCommit(thrower);
          trx.afterCommit(() => void ran.push(2));
          trx.afterCommit(() => Promise.reject(second));
          trx.afterCommit(() => void ran.push(4));
          return result;
        }),
      );
      expect(error).to.be.instanceOf(AfterCommitError).and.to.include({ code: 'ERR_AFTER_COMMIT', committed: true });
      expect(error.errors).to.deep.equal([mine, second]);
      expect(error.result).to.equal(result);
      expect(ran).to.deep.equal([2, 4]);
      expect(await stage.ids()).to.deep.equal([1]);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'COMMIT;']);
    });

    it('causes no other attempt, whatever it throws', async () => {
      let calls = 0;
      const conflict = Object.assign(new Error('conflict'), { code: '40001' });
      const error = await rejection(
        stage.db.atomic(
          (trx) => {
            calls++;
            trx.afterCommit(() => Promise.reject(conflict));
          },
          { retry: { attempts: 3, when: () => true } },
        ),
      );
      expect(error).to.be.instanceOf(AfterCommitError);
      expect(calls).to.equal(1);
    });

    it('rejects a plain transaction’s promise, and commit() of a handle', async () => {
      await failAfterCommit((hooks) => stage.make({ hooks }).transaction(insert as never));
      await stage.database.query('truncate t');
      const error = await failAfterCommit(async (hooks) => {
        const trx = await stage.make({ hooks }).transaction();
        await insert(trx);
        return trx.commit();
      });
      expect(error.errors).to.deep.equal([mine]);
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('may have thrown undefined', async () => {
      const error = await rejection(
        stage.db.atomic((trx) => {
          trx.afterCommit(async () => {
            throw undefined;
          });
        }),
      );
      expect(error).to.be.instanceOf(AfterCommitError);
      expect(error.errors).to.deep.equal([undefined]);
    });

    it('shows neither the value of the block nor bindings when its error is printed', async () => {
      const error = await rejection(
        stage.db.atomic((trx) => {
          trx.afterCommit(() => stage.db.raw('select ?::int', ['s3cret']));
          return 't0ken';
        }),
      );
      const { message, stack } = error;
      expect(`${message} ${stack}`).not.to.match(/s3cret|t0ken/);
    });
  });

  describe('as afterRollback', () => {
    it('does not hide the reason of the rollback, and the other hooks run', async () => {
      const ran: string[] = [];
      const reason = new Error('reason');
      const error = await rejection(
        stage.db.atomic((trx) => {
          trx.afterRollback(thrower);
          trx.afterRollback(() => void ran.push('second'));
          throw reason;
        }),
      );
      expect(error).to.equal(reason);
      expect(error.suppressed).to.deep.equal([mine]);
      expect(ran).to.deep.equal(['second']);
    });
  });

  describe('as onFatal', () => {
    it('does not hide the fatal error', async () => {
      const error = await rejection(
        stage.db.atomic(
          async (trx) => {
            await stage.database.terminate(await pidOf(trx));
            await trx.raw('select 1');
          },
          { hooks: { onFatal: thrower } },
        ),
      );
      expect([error.code, error.cause?.code]).to.include('57P01');
      expect(error.suppressed).to.deep.equal([mine]);
      await stage.idle();
    });
  });

  describe('as onRetry', () => {
    it('does not prevent the next attempt', async () => {
      const conflict = Object.assign(new Error('conflict'), { code: '40001' });
      const value = await stage.db.atomic(
        (trx) => (trx.attempt === 1 ? Promise.reject(conflict) : Promise.resolve(trx.attempt)),
        { retry: { attempts: 2, minDelayMillis: 0 }, hooks: { onRetry: thrower } },
      );
      expect(value).to.equal(2);
    });
  });

  describe('as afterUnknown', () => {
    it('does not hide that the outcome is unknown', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      const error = await rejection(stage.db.atomic(insert, { hooks: { afterUnknown: thrower } }));
      expect(error).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
      expect(error.suppressed).to.deep.equal([mine]);
    });
  });
});
