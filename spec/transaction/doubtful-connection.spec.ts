// A connection that may still be inside a transaction, busy or dead is never lent again as it is.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { BlockControlError } from '../../lib';
import { millisOf } from '../support/outcome';
import { until } from '../support/until';
import { later, pidOf, rejection, useStage } from './stage';

describe('a connection that comes back in doubt', () => {
  const stage = useStage(undefined, { pool: { max: 1 } });

  /** Whether the next borrower is outside of any transaction, and sees nothing of an earlier one. */
  async function expectPristine(db: Knex): Promise<void> {
    const { rows } = await db.raw(
      'select now() = statement_timestamp() as fresh, pg_current_xact_id_if_assigned() as xid',
    );
    expect(rows).to.deep.equal([{ fresh: true, xid: null }]);
    await db.raw('insert into t values (7)');
    expect(await stage.ids()).to.deep.equal([7]);
  }

  it('was left in a raw BEGIN', async () => {
    await stage.db.raw('begin');
    await expectPristine(stage.db);
  });

  it('was left in a raw BEGIN with a failed statement', async () => {
    await rejection(stage.db.raw('begin; select 1/0'));
    await expectPristine(stage.db);
  });

  it('was left in a second transaction by the callback of a first', async () => {
    const transaction = stage.db.transaction((trx) => trx.raw('commit; begin; insert into t values (1)'));
    expect(await rejection(transaction)).to.be.instanceOf(BlockControlError);
    await expectPristine(stage.db);
  });

  it('is not lent to the next BEGIN when it is dead', async () => {
    const [backend] = await stage.database.backends();
    await stage.database.terminate(backend!.pid);
    await until('its death is known', () => stage.db.connectionState().connections.idle === 0);
    await stage.db.transaction((trx) => trx.raw('insert into t values (1)'));
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('is not lent to the next BEGIN when it was killed during COMMIT', async () => {
    stage.proxy.cutAfter(/COMMIT/);
    const error = await rejection(stage.db.transaction((trx) => trx.raw('insert into t values (1)')));
    expect(error).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
    await stage.db.transaction((trx) => trx.raw('insert into t values (2)'));
    expect(await stage.ids()).to.deep.equal([1, 2]);
  });

  it('was terminated by the server during COMMIT', async () => {
    await stage.database.query(`
      create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(10); return null; end';
      create constraint trigger waits after insert on t initially deferred for each row execute function wait();
    `);
    try {
      let pid = 0;
      const promise = later(
        stage.db.transaction(async (trx) => {
          pid = await pidOf(trx);
          await trx.raw('insert into t values (1)');
        }),
      );
      await stage.running(/^COMMIT/);
      await stage.database.terminate(pid);
      const error = await rejection(promise);
      expect(error).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
      expect(error.cause).to.include({ code: '57P01' });
      expect(await pidOf(stage.db)).not.to.equal(pid);
    } finally {
      await stage.database.query('drop trigger waits on t; drop function wait');
    }
  });

  it('has a query that nobody waits for cancelled', async () => {
    let query: Promise<unknown> | undefined;
    await stage.db.transaction(async (trx) => {
      query = later(trx.raw('select pg_sleep(10)'));
      await stage.running(/pg_sleep/);
      void later(trx.rollback());
      await rejection(query);
    });
    expect(await millisOf(expectPristine(stage.db))).to.be.lessThan(500);
  });

  it('does not answer to a ROLLBACK by hand: it is closed, and that of the next', async () => {
    const trx = await stage.db.transaction();
    stage.proxy.swallowAnswersAfter(/ROLLBACK/);
    await trx.rollback();
    await trx.executionPromise;
    expect(await millisOf(stage.db.raw('select 1'))).to.be.lessThan(300);
    await expectPristine(stage.db);
  });

  it('does not answer to a ROLLBACK by hand, which was told to reject: it does', async () => {
    stage.proxy.swallowAnswersAfter(/ROLLBACK/);
    const work = async (trx: Knex.Transaction) => {
      await trx.rollback();
    };
    const error = await rejection(stage.db.transaction(work, { doNotRejectOnRollback: false }));
    expect(error).to.have.property('message', 'Transaction rejected with non-error: undefined');
    await expectPristine(stage.db);
  });

  it('does not answer to a ROLLBACK TO by hand: the transaction around it cannot commit', async () => {
    const error = await rejection(
      stage.db.transaction(async (trx) => {
        const inner = await trx.transaction();
        stage.proxy.swallowAnswersAfter(/ROLLBACK TO/);
        await inner.rollback();
      }),
    );
    expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED' });
    await expectPristine(stage.db);
  });

  it('does not answer to ROLLBACK: it is closed within the bound', async () => {
    const pid = await pidOf(stage.db);
    const fault = stage.proxy.swallowAnswersAfter(/ROLLBACK/);
    const mine = new Error('mine');
    let error: unknown;
    const millis = await millisOf(
      rejection(stage.db.transaction(() => Promise.reject(mine))).then((reason) => {
        error = reason;
      }),
    );
    expect(error).to.equal(mine);
    expect(fault.hits).to.equal(1);
    expect(millis).to.be.lessThan(1500);
    await expectPristine(stage.db);
    expect(await pidOf(stage.db)).not.to.equal(pid);
    await until('the old backend is gone', async () =>
      (await stage.database.backends()).every((backend) => backend.pid !== pid),
    );
  });

  it('is kept after an ordinary error', async () => {
    const pid = await pidOf(stage.db);
    for (const sql of ['select 1/0', 'select nothing', "set lock_timeout = 1; select pg_sleep('x')"]) {
      await rejection(stage.db.transaction((trx) => trx.raw(sql)));
    }
    expect(await pidOf(stage.db)).to.equal(pid);
  });
});
