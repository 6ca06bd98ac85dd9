// What becomes of queries that wait for a connection.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure, nextTurn, outcome, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection()', () => {
  const stage = useStage();
  let db: ResettableKnex;
  let holder: Knex.Transaction;

  beforeEach(async () => {
    db = stage.resettable({ pool: { max: 1 } });
    holder = await db.transaction();
    holder.executionPromise.catch(() => {});
  });

  describe('while queries wait for a connection', () => {
    it('rejects them with ResetError at once', async () => {
      const waiters = [1, 2, 3].map((n) => watch(db.raw('select ?::int as n', [n])));
      await until('they wait', () => db.connectionState().connections.waiting === 3);
      const reset = db.resetConnection();
      await nextTurn();
      for (const waiter of waiters) expect(waiter.error).to.be.an.instanceof(ResetError);
      expect(await reset).to.include({ rejectedWaiters: 3, requeuedWaiters: 0, abortedQueries: 0 });
    });

    it('rejects waiting transactions, without calling their callbacks', async () => {
      let calls = 0;
      const transaction = failure(db.transaction(async () => ++calls));
      const handle = failure(db.transaction());
      await until('they wait', () => db.connectionState().connections.waiting === 2);
      expect(await db.resetConnection()).to.include({ rejectedWaiters: 2 });
      expect(await transaction).to.be.an.instanceof(ResetError);
      expect(await handle).to.be.an.instanceof(ResetError);
      expect(calls).to.equal(0);
    });

    it('leaves no waiter in the pool', async () => {
      const waiter = failure(db.raw('select 1'));
      await until('it waits', () => db.client.pool.numPendingAcquires() === 1);
      await db.resetConnection();
      await waiter;
      expect(db.client.pool.numPendingAcquires()).to.equal(0);
      expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
    });

    it('opens no connection for them', async () => {
      const proxy = await stage.proxy();
      const far = stage.resettable({ through: proxy, pool: { max: 1 } });
      const held = await far.transaction();
      const waiters = [1, 2, 3].map(() => failure(far.raw('select 1')));
      await until('they wait', () => far.connectionState().connections.waiting === 3);
      await far.resetConnection();
      expect(proxy.accepted).to.equal(1);
      await Promise.all([...waiters, failure(held.executionPromise)]);
      expect(far.connectionState().connections.idle).to.equal(0);
    });
  });

  describe("with waiting: 'requeue'", () => {
    it('serves them after the reset, in order', async () => {
      const served: number[] = [];
      const waiters = [1, 2, 3].map(async (n) => {
        const { rows } = await db.raw('select ?::int as n, pg_backend_pid() as pid', [n]);
        served.push(rows[0].n);
        return rows[0].pid as number;
      });
      const [old] = await stage.database.backends();
      await until('they wait', () => db.connectionState().connections.waiting === 3);
      const report = await db.resetConnection({ waiting: 'requeue' });
      expect(report).to.include({ rejectedWaiters: 0, requeuedWaiters: 3 });
      const pids = new Set(await Promise.all(waiters));
      expect(served).to.deep.equal([1, 2, 3]);
      expect(pids).to.have.lengthOf(1).and.not.include(old?.pid);
    });

    it('serves a waiting transaction', async () => {
      const transaction = db.transaction(async (trx) => (await trx.raw('select 7 as n')).rows);
      await until('it waits', () => db.connectionState().connections.waiting === 1);
      await db.resetConnection({ waiting: 'requeue' });
      expect(await transaction).to.deep.equal([{ n: 7 }]);
    });

    it('sends none of them before the reset has ended', async () => {
      const proxy = await stage.proxy();
      const slow = stage.resettable({ through: proxy, pool: { max: 1 } });
      const held = await slow.transaction();
      const waiter = outcome(slow.raw('select 2'));
      await until('it waits', () => slow.connectionState().connections.waiting === 1);
      const { accepted } = proxy;
      proxy.delayMillis = 20;
      await slow.resetConnection({ waiting: 'requeue' });
      expect(proxy.accepted).to.equal(accepted);
      expect((await waiter).error).to.be.undefined;
      await failure(held.executionPromise);
    });
  });

  describe('while a waiter times out', () => {
    it('lets knex reject it', async () => {
      const impatient = stage.resettable({ pool: { max: 1 }, acquireConnectionTimeout: 1000 });
      const held = await impatient.transaction();
      const { error } = await outcome(impatient.raw('select 1'));
      expect(error).to.have.property('name', 'KnexTimeoutError');
      expect(await impatient.resetConnection()).to.include({ rejectedWaiters: 0 });
      await failure(held.executionPromise);
    });
  });
});
