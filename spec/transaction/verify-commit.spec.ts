// A lost COMMIT is found out about on a new connection, by the transaction's id.
import { expect } from 'chai';
import { CommitUnknownError } from '../../lib';
import type { AtomicTransaction } from '../../lib';
import { millisOf } from '../support/outcome';
import { until } from '../support/until';
import { rejection, useStage } from './stage';

const ASKS_XID = /pg_current_xact_id/;
const ASKS_STATUS = /pg_xact_status/;

describe('a lost COMMIT, with verifyCommit', () => {
  const stage = useStage();
  let calls: number;
  let log: string[];

  beforeEach(() => {
    calls = 0;
    log = [];
  });

  const hooks = {
    afterCommit: () => void log.push('afterCommit'),
    afterRollback: () => void log.push('afterRollback'),
    afterUnknown: () => void log.push('afterUnknown'),
    onRetry: () => void log.push('onRetry'),
  };

  async function body(trx: AtomicTransaction): Promise<string> {
    calls++;
    await trx.raw('insert into t values (1)');
    return `value ${trx.attempt}`;
  }

  it('sends one more query when nothing is lost', async () => {
    expect(await stage.db.atomic(body, { verifyCommit: true, hooks })).to.equal('value 1');
    expect(stage.sql[2]).to.match(ASKS_XID);
    expect(stage.sql).to.have.lengthOf(4);
    expect(log).to.deep.equal(['afterCommit']);
  });

  describe('when it is committed', () => {
    it('resolves with the value and runs the hooks; the body is not run again', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      const value = await stage.db.atomic(body, {
        verifyCommit: true,
        retry: { attempts: 3, when: () => true },
        hooks,
      });
      expect(value).to.equal('value 1');
      expect(calls).to.equal(1);
      expect(log).to.deep.equal(['afterCommit']);
      expect(await stage.ids()).to.deep.equal([1]);
      expect(stage.sql.filter((sql) => ASKS_STATUS.test(sql))).to.have.lengthOf(1);
    });

    it('resolves when the answer was swallowed and the socket died later', async () => {
      stage.proxy.swallowAnswersAfter(/COMMIT/);
      const promise = stage.db.atomic(body, { verifyCommit: true, hooks });
      await until('it is committed', async () => (await stage.ids()).length === 1);
      stage.proxy.reset();
      expect(await promise).to.equal('value 1');
      expect(log).to.deep.equal(['afterCommit']);
    });

    it('resolves while others connect to the server', async () => {
      const others = Array.from({ length: 20 }, () => stage.database.query('select 1'));
      stage.proxy.cutAfter(/COMMIT/);
      expect(await stage.db.atomic(body, { verifyCommit: true })).to.equal('value 1');
      await Promise.all(others);
    });

    it('runs an inner block’s hooks as well', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      await stage.db.atomic((trx) => trx.atomic(body, { hooks }), { verifyCommit: true });
      expect(log).to.deep.equal(['afterCommit']);
    });

    it('resolves on a pool of one', async () => {
      const db = stage.make({}, { pool: { max: 1 } });
      stage.proxy.cutAfter(/COMMIT/);
      expect(await db.atomic(body, { verifyCommit: true })).to.equal('value 1');
    });

    it('rejects with AfterCommitError when a hook throws', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      const error = await rejection(
        stage.db.atomic(body, { verifyCommit: true, hooks: { afterCommit: () => Promise.reject(new Error('mine')) } }),
      );
      expect(error).to.include({ code: 'ERR_AFTER_COMMIT', committed: true, result: 'value 1' });
    });
  });

  describe('when it is aborted', () => {
    it('rejects with what ended the connection', async () => {
      stage.proxy.cutBefore(/COMMIT/);
      const error = await rejection(stage.db.atomic(body, { verifyCommit: true, hooks }));
      expect(error).not.to.be.instanceOf(CommitUnknownError);
      expect(error).to.include({ code: 'ECONNRESET' });
      expect(log).to.deep.equal(['afterRollback']);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('runs again with retry, safely', async () => {
      stage.proxy.cutBefore(/COMMIT/);
      const value = await stage.db.atomic(body, {
        verifyCommit: true,
        retry: { attempts: 3, minDelayMillis: 0 },
        hooks,
      });
      expect(value).to.equal('value 2');
      expect(calls).to.equal(2);
      expect(log).to.deep.equal(['afterRollback', 'onRetry', 'afterCommit']);
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  describe('when nothing was written', () => {
    it('resolves: there is nothing to lose', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      expect(await stage.db.atomic(() => 'value', { verifyCommit: true, hooks })).to.equal('value');
      expect(log).to.deep.equal(['afterCommit']);
    });

    it('is not taken for committed where it has only notified, and COMMIT has not arrived', async () => {
      stage.proxy.cutBefore(/COMMIT/);
      const notify = (trx: AtomicTransaction) => trx.raw("notify orders, 'book'");
      expect(await rejection(stage.db.atomic(notify, { verifyCommit: true, hooks }))).to.include({
        code: 'ECONNRESET',
      });
      expect(log).to.deep.equal(['afterRollback']);
    });

    it('resolves in a readOnly block, too', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      const read = (trx: AtomicTransaction) => trx('t').pluck('id');
      const options = { verifyCommit: true, readOnly: true, isolationLevel: 'serializable', deferrable: true } as const;
      expect(await stage.db.atomic(read, options)).to.deep.equal([]);
    });
  });

  describe('when it is still in progress', () => {
    it('waits that out', async () => {
      await stage.database.query(`
        create or replace function wait() returns trigger language plpgsql as 'begin perform pg_sleep(0.2); return null; end';
        create constraint trigger waits after insert on t initially deferred for each row execute function wait();`);
      try {
        stage.proxy.cutAfter(/COMMIT/);
        // A backend that is at work on COMMIT is not ended.
        expect(await stage.db.atomic(body, { verifyCommit: true, hooks })).to.equal('value 1');
        expect(await stage.ids()).to.deep.equal([1]);
      } finally {
        await stage.database.query('drop trigger waits on t');
      }
    });
  });

  describe('when it is not to be known', () => {
    it('rejects with the xid once the instance’s time is up, and is never run again', async () => {
      const db = stage.make({ timeoutMillis: 300 });
      await db.raw('select 1');
      stage.transcript.clear();
      stage.proxy.cutAfter(/COMMIT/);
      stage.onceSent(/COMMIT/, () => {
        stage.proxy.mode = 'reject';
      });
      let error: Awaited<ReturnType<typeof rejection>> | undefined;
      const millis = await millisOf(
        rejection(db.atomic(body, { verifyCommit: true, retry: { attempts: 3, when: () => true }, hooks })).then(
          (reason) => {
            error = reason;
          },
        ),
      );
      stage.proxy.mode = 'pass';
      expect(error).to.be.instanceOf(CommitUnknownError);
      expect(error?.xid).to.match(/^\d+$/);
      expect(error?.cause).to.include({ code: 'ECONNRESET' });
      expect(calls).to.equal(1);
      expect(log).to.deep.equal(['afterUnknown']);
      expect(millis).to.be.within(250, 1500);
      const [row] = await stage.database.query(`select pg_xact_status('${error?.xid}'::xid8) as status`);
      expect(row).to.deep.equal({ status: 'committed' });
    });

    it('waits for no connection any longer once it has been told', async () => {
      const db = stage.make({ timeoutMillis: 200 });
      await db.raw('select 1');
      stage.proxy.cutAfter(/COMMIT/);
      stage.onceSent(/COMMIT/, () => {
        stage.proxy.mode = 'blackhole';
      });
      const error = await rejection(db.atomic(body, { verifyCommit: true }));
      expect(error).to.be.instanceOf(CommitUnknownError);
      await until('nothing waits', () => db.connectionState().connections.waiting === 0, { timeoutMillis: 100 });
      stage.proxy.mode = 'pass';
    });

    it('goes on asking while the server is on its way back', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      stage.onceSent(/COMMIT/, () => {
        stage.proxy.mode = 'reject';
      });
      const promise = stage.db.atomic(body, { verifyCommit: true, hooks });
      const before = stage.proxy.accepted;
      await until('it was refused twice', () => stage.proxy.accepted >= before + 2);
      stage.proxy.mode = 'pass';
      expect(await promise).to.equal('value 1');
    });

    it('is unknown in time when the answer about it is swallowed', async () => {
      stage.proxy.cutAfter(/COMMIT/);
      stage.proxy.swallowAnswersAfter(ASKS_STATUS);
      const millis = await millisOf(
        rejection(stage.db.atomic(body, { verifyCommit: true })).then((error) => {
          expect(error).to.be.instanceOf(CommitUnknownError).with.property('xid').that.is.a('string');
        }),
      );
      expect(millis).to.be.within(500, 2500);
      await stage.idle();
    });
  });

  it('rolls back when the transaction id cannot be read', async () => {
    stage.proxy.cutBefore(ASKS_XID);
    const error = await rejection(stage.db.atomic(body, { verifyCommit: true, hooks }));
    expect([error.code, error.cause?.code]).to.include('ECONNRESET');
    expect(stage.sql).not.to.include('COMMIT;');
    expect(log).to.deep.equal(['afterRollback']);
  });

  it('rejects with the first error when a statement had failed', async () => {
    const error = await rejection(
      stage.db.atomic((trx) => trx.raw('select 1/0').catch(() => {}) as Promise<unknown>, { verifyCommit: true }),
    );
    expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED' });
    expect(error.cause).to.include({ code: '22012' });
    await stage.idle();
    expect(stage.db.connectionState().connections).to.include({ idle: 1 });
  });
});
