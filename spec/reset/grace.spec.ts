// That what runs may end by itself for as long as the grace lasts.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { type Connection, connectionOf } from '../../lib/connection/connection';
import { NO_MUTEX } from '../../lib/connection/mutex';
import { defer } from '../../lib/words/waiting';
import { failure, never, outcome } from '../support/outcome';
import { NOTHING } from '../support/stage';
import { until } from '../support/until';
import { storedIn, useTable } from './stage';

describe('resetConnection()', () => {
  const stage = useTable();

  describe('with a grace', () => {
    it('lets a transaction commit that ends in time, and aborts the one that does not', async () => {
      const db = stage.resettable();
      const short = outcome(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.raw('select pg_sleep(0.2)');
          return 'committed';
        }),
      );
      const endless = failure(db.transaction((trx) => trx('t').insert({ id: 2 }).then(never)));
      await until('both are open', () => db.connectionState().transactions.length === 2);
      await stage.running('pg_sleep');
      const start = performance.now();
      const report = await db.resetConnection({ graceMillis: 500 });
      expect(performance.now() - start).to.be.within(480, 1500);
      expect(await short).to.deep.equal({ value: 'committed' });
      expect(await endless).to.be.an.instanceof(ResetError);
      expect(report.abortedTransactions).to.have.lengthOf(1);
      expect(await storedIn(stage)).to.deep.equal([{ id: 1 }]);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('ends the grace as soon as nothing runs', async () => {
      const db = stage.resettable();
      const query = outcome(db.raw('select pg_sleep(0.3)'));
      await stage.running('pg_sleep');
      const report = await db.resetConnection({ graceMillis: 5000 });
      expect(report.durationMillis).to.be.within(0, 2000);
      expect(report).to.include({ abortedQueries: 0, closedConnections: 1 });
      expect((await query).error).to.be.undefined;
    });

    it('ends the grace when a connection in a sandbox died while its cancel request was under way', async () => {
      const db = stage.resettable();
      const raw = (await db.client.acquireConnection()) as object;
      const connection = connectionOf(raw) as Connection;
      connection.lease.mutex = { ...NO_MUTEX, isShared: true };
      const delivered = defer<boolean>();
      const cancelled = connection.cancel(5000, () => delivered.promise);
      expect(connection.isQuiet).to.equal(false);
      await stage.database.query('select pg_terminate_backend(pid) from pg_stat_activity where pid = $1', [
        connection.backendId,
      ]);
      await until('it has ended', () => connection.isEnded);
      expect(connection).to.include({ isQuiet: true, isClean: false });
      expect((await db.resetConnection({ graceMillis: 5000 })).durationMillis).to.be.below(3000);
      delivered.resolve(true);
      await cancelled;
    });

    it('makes later queries wait, and rejects earlier waiters at once', async () => {
      const db = stage.resettable({ pool: { max: 1 } });
      const query = outcome(db.raw('select pg_sleep(0.3)'));
      await stage.running('pg_sleep');
      const waiter = failure(db.raw('select 1'));
      await until('it waits', () => db.connectionState().connections.waiting === 1);
      const reset = db.resetConnection({ graceMillis: 3000 });
      expect(await waiter).to.be.an.instanceof(ResetError);
      const later = db.raw('select pg_backend_pid() as pid');
      const [old] = await stage.database.backends();
      expect((await later).rows[0].pid).not.to.equal(old?.pid);
      expect((await query).error).to.be.undefined;
      expect(await reset).to.include({ rejectedWaiters: 1 });
    });

    it('takes the grace of the instance when none is given', async () => {
      const db = stage.resettable({}, { graceMillis: 3000 });
      const query = outcome(db.raw('select pg_sleep(0.3)'));
      await stage.running('pg_sleep');
      expect(await db.resetConnection()).to.include({ abortedQueries: 0 });
      expect((await query).error).to.be.undefined;
      const aborted = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      expect(await db.resetConnection({ graceMillis: 0 })).to.include({ abortedQueries: 1 });
      await aborted;
    });
  });

  it("cleans the connections of work that ends by itself in the grace, with connections: 'recycle'", async () => {
    const db = stage.resettable();
    const pidOf = async () => (await db.raw('select pg_backend_pid() as pid')).rows[0].pid as number;
    const sql = "select pg_sleep(0.2), set_config('my.setting', 'kept', false), pg_backend_pid() as pid";
    const query = outcome(db.raw(sql));
    await stage.running('pg_sleep');
    const report = await db.resetConnection({ graceMillis: 5000, connections: 'recycle' });
    expect(report).to.include({ recycledConnections: 1, closedConnections: 0, abortedQueries: 0 });
    expect(await pidOf()).to.equal((await query).value.rows[0].pid);
    expect((await db.raw("select current_setting('my.setting', true) as kept")).rows[0].kept || '').to.equal('');
  });
});
