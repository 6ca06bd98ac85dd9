// That subscribers of `knex-reset:transaction` hear of each transaction: once that it begins, and once how it ends.
import { expect } from 'chai';
import { CommitUnknownError, ResetError, TransactionFailedError, TransactionTimeoutError } from '../../lib';
import type { TransactionEvent } from '../../lib';
import { never } from '../support/outcome';
import { until } from '../support/until';
import { later, pidOf, rejection, useStage } from '../transaction/stage';
import { expectUserFrames, useMessages } from './stage';

describe('the channel of transactions', () => {
  const stage = useStage();
  const events = useMessages<TransactionEvent>('knex-reset:transaction');

  /** Of one transaction, which the events have to be about. */
  function ofOne(): string[] {
    expect(new Set(events.map(({ transaction }) => transaction.id))).to.have.lengthOf(1);
    return events.map(({ event }) => event);
  }

  it('gets the events of a plain transaction, with where it was opened', async () => {
    const pid = await pidOf(stage.db);
    await (function opener() {
      return stage.db.transaction(async (trx) => {
        expect(ofOne()).to.deep.equal(['begin']);
        await trx.raw('insert into t values (?)', [1]);
        expect(stage.db.connectionState().transactions[0]?.id).to.equal(events[0]?.transaction.id);
      });
    })();
    expect(ofOne()).to.deep.equal(['begin', 'commit']);
    for (const message of events) {
      expect(message).to.have.all.keys('event', 'transaction');
      expect(message.transaction).to.include({ label: undefined, backendId: pid, depth: 1, state: 'idle' });
      expectUserFrames(message.transaction.stack, 'transaction-channel.spec.ts', 'opener');
    }
    expect(events.map(({ transaction }) => transaction.lastSql)).to.deep.equal(['BEGIN;', 'COMMIT;']);
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('gets the events of a handle that is committed or rolled back', async () => {
    await (await stage.db.transaction()).commit();
    expect(ofOne()).to.deep.equal(['begin', 'commit']);
    events.length = 0;
    await (await stage.db.transaction()).rollback();
    expect(ofOne()).to.deep.equal(['begin', 'rollback']);
    expect(events[1]).not.to.have.property('error');
  });

  it('gets the events of a block with its label', async () => {
    await stage.db.atomic((trx) => trx.raw('select 1'), { label: 'billing' });
    expect(ofOne()).to.deep.equal(['begin', 'commit']);
    for (const { transaction } of events) expect(transaction).to.include({ label: 'billing' });
  });

  it('gets the reason why a block was rolled back', async () => {
    const error = await rejection(stage.db.atomic((trx) => trx.raw('select 1/0')));
    expect(ofOne()).to.deep.equal(['begin', 'rollback']);
    expect(events[1]).to.have.property('error', error);
  });

  it("gets 'rollback' when a COMMIT became a rollback", async () => {
    const error = await rejection(stage.db.transaction((trx) => trx.raw('select 1/0').catch(() => {})));
    expect(ofOne()).to.deep.equal(['begin', 'rollback']);
    expect(events[1]?.error).to.equal(error).and.to.be.an.instanceof(TransactionFailedError);
  });

  it("gets 'fatal' and then 'rollback' for a fatal error", async () => {
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        const pid = await pidOf(trx);
        const query = later(trx.raw('select pg_sleep(30)'));
        await stage.running(/pg_sleep/);
        await stage.database.terminate(pid);
        await query;
      }),
    );
    expect(error).to.include({ code: '57P01' });
    expect(ofOne()).to.deep.equal(['begin', 'fatal', 'rollback']);
    expect(events.slice(1).map((event) => event.error)).to.deep.equal([error, error]);
  });

  it("gets 'fatal' when a connection died while nothing ran", async () => {
    const trx = await stage.db.transaction();
    void later(trx.executionPromise);
    await stage.database.terminate(await pidOf(trx));
    await rejection(trx.executionPromise);
    await until('the end is told', () => events.length === 3);
    expect(ofOne()).to.deep.equal(['begin', 'fatal', 'rollback']);
  });

  it("gets 'unknown' when the outcome of a COMMIT is unknown", async () => {
    stage.proxy.cutAfter(/COMMIT/);
    const error = await rejection(stage.db.atomic((trx) => trx.raw('insert into t values (1)')));
    expect(ofOne()).to.deep.equal(['begin', 'unknown']);
    expect(events[1]?.error).to.equal(error).and.to.be.an.instanceof(CommitUnknownError);
  });

  it('gets the outcome that verifyCommit has found', async () => {
    stage.proxy.cutAfter(/COMMIT/);
    await stage.db.atomic((trx) => trx.raw('insert into t values (1)'), { verifyCommit: true });
    expect(ofOne()).to.deep.equal(['begin', 'commit']);
    events.length = 0;
    stage.proxy.cutBefore(/COMMIT/);
    await rejection(stage.db.atomic((trx) => trx.raw('insert into t values (2)'), { verifyCommit: true }));
    expect(ofOne()).to.deep.equal(['begin', 'rollback']);
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it("gets 'rollback' when a reset aborted the transaction", async () => {
    const block = later(stage.db.atomic((trx) => trx.raw('select 1').then(never)));
    await until('it is open', () => events.length === 1);
    await stage.db.resetConnection();
    await rejection(block);
    expect(ofOne()).to.deep.equal(['begin', 'rollback']);
    expect(events[1]?.error).to.be.an.instanceof(ResetError);
  });

  it("gets 'rollback' when the transaction ran out of time", async () => {
    await rejection(stage.db.atomic((trx) => trx.raw('select pg_sleep(30)'), { timeoutMillis: 200 }));
    expect(ofOne()).to.deep.equal(['begin', 'rollback']);
    expect(events[1]?.error).to.be.an.instanceof(TransactionTimeoutError);
  });

  it('gets each attempt of a block as a transaction of its own', async () => {
    const conflict = Object.assign(new Error('conflict'), { code: '40001' });
    const block = ({ attempt }: { attempt: number }) => (attempt < 3 ? Promise.reject(conflict) : 'value');
    await stage.db.atomic(block, { retry: { attempts: 3, minDelayMillis: 0 } });
    expect(events.map(({ event }) => event)).to.deep.equal([
      'begin',
      'rollback',
      'begin',
      'rollback',
      'begin',
      'commit',
    ]);
    expect(new Set(events.map(({ transaction }) => transaction.id))).to.have.lengthOf(3);
  });

  it('gets no events of savepoints', async () => {
    await stage.db.transaction(async (trx) => {
      await trx.transaction((inner) => inner.raw('select 1'));
      await rejection(trx.transaction((inner) => inner.raw('select 1/0')));
      await (await trx.transaction()).rollback();
    });
    expect(ofOne()).to.deep.equal(['begin', 'commit']);
    events.length = 0;
    await stage.db.atomic(async (trx) => {
      await trx.atomic((inner) => inner.raw('select 1'), { label: 'inner' });
      await rejection(trx.atomic((inner) => inner.raw('select 1/0')));
      await trx.atomic((inner) => inner.raw('select 1'), { savepoint: false });
    });
    expect(ofOne()).to.deep.equal(['begin', 'commit']);
  });
});
