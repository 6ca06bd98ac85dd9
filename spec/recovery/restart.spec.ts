// A server that is restarted, or refuses connections for a while: errors while it is down, and recovery without a call.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { isFatal, isRetryable } from '../../lib';
import { ordinaryUrl } from '../support/database';
import { failure, outcome, watch } from '../support/outcome';
import { PostgresServer, type StopMode } from '../support/postgres-server';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { failures, idle, pidOf } from './stage';

describe('a server', () => {
  const stage = useStage();
  let server: PostgresServer;
  let url: string;
  let db: ResettableKnex;

  before(async () => {
    server = await PostgresServer.create();
    url = await ordinaryUrl(server.url);
    await stage.knex({ connection: url }).schema.createTable('t', (table) => table.integer('id').primary());
  });
  after(() => server.dispose());
  beforeEach(async () => {
    db = make();
    await db('t').delete();
  });

  function make(pool: Knex.PoolConfig = {}): ResettableKnex {
    return stage.resettable({ connection: url, pool });
  }

  describe('that was restarted', () => {
    for (const mode of ['fast', 'immediate', 'crash'] as StopMode[]) {
      it(`costs at most one failure for all idle connections, after ${mode}`, async () => {
        const pids = await idle(db, 5);
        await server.restart(mode);
        expect(await failures(db, 10)).to.have.lengthOf.at.most(1);
        expect(pids).not.to.include(await pidOf(db));
      });

      it(`fails each running query once, and none after them, after ${mode}`, async () => {
        await idle(db, 3);
        const running = [1, 2].map(() => failure(db.raw('select pg_sleep(30)')));
        const observer = make();
        const sleepers = "select from pg_stat_activity where query = 'select pg_sleep(30)' and state = 'active'";
        await until('they run', async () => (await observer.raw(sleepers)).rows.length === 2);
        await server.restart(mode);
        for (const error of running) expect(isFatal(await error)).to.be.true;
        expect(await failures(db, 5)).to.be.empty;
      });
    }

    it('fails a transaction that was open', async () => {
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      await server.restart('immediate');
      expect(isFatal(await failure(trx.executionPromise))).to.be.true;
      expect(await failures(db, 5)).to.be.empty;
      expect(await db('t')).to.be.empty;
    });

    it('costs a block with retry nothing', async () => {
      let attempts = 0;
      const block = db.atomic(
        async (trx) => {
          await trx('t').insert({ id: 1 });
          if (++attempts === 1) await server.restart('immediate');
          await trx('t').insert({ id: 2 });
        },
        { retry: { attempts: 5, when: (error) => isRetryable(error) || isFatal(error) } },
      );
      await block;
      expect(attempts).to.equal(2);
      expect(await db('t').pluck('id').orderBy('id')).to.deep.equal([1, 2]);
    });
  });

  describe('that refuses connections for a while', () => {
    afterEach(() => server.restart('immediate'));

    async function stop(): Promise<void> {
      await server.stop('immediate');
      await until('the deaths were heard of', () => db.connectionState().connections.idle === 0);
    }

    it('fails queries at once meanwhile, and serves them afterwards', async () => {
      await idle(db, 3);
      await stop();
      const errors = await failures(db, 5);
      expect(errors).to.have.lengthOf(5);
      for (const error of errors) expect(error).to.include({ code: 'ECONNREFUSED' });
      await server.start();
      expect(await failures(db, 5)).to.be.empty;
    });

    it('fails transactions at once meanwhile, without calling their callbacks, and serves them afterwards', async () => {
      await stop();
      let calls = 0;
      const call = () => void calls++;
      for (const begin of [() => db.transaction(async () => call()), () => db.atomic(call), () => db.transaction()]) {
        expect(await failure(begin())).to.include({ code: 'ECONNREFUSED' });
      }
      expect(calls).to.equal(0);
      await server.start();
      await db.atomic((trx) => trx('t').insert({ id: 1 }));
      expect(await db('t')).to.have.lengthOf(1);
    });

    it('leaves nothing in use, waiting or being opened', async () => {
      db = make({ createRetryIntervalMillis: 10 });
      await stop();
      await Promise.all(Array.from({ length: 20 }, () => failure(db.raw('select 1'))));
      await until('nothing is opened any more', () => db.connectionState().connections.opening === 0);
      expect(db.connectionState().connections).to.include({ idle: 0, inUse: 0, waiting: 0 });
      const { pool } = db.client;
      expect([pool.numUsed(), pool.numFree(), pool.numPendingAcquires()]).to.deep.equal([0, 0, 0]);
      await server.start();
      expect(await failures(db, 1)).to.be.empty;
    });

    it('keeps waiting queries waiting, and serves each of them', async () => {
      db = make({ propagateCreateError: false, createRetryIntervalMillis: 20, max: 2 });
      await stop();
      const waiting = watch(Promise.all([1, 2, 3, 4, 5].map((n) => outcome(db('t').insert({ id: n })))));
      await until('it was tried in vain', () => db.client.pool.numPendingCreates() === 0);
      expect(waiting.state).to.equal('pending');
      await server.start();
      await until('they were served', () => waiting.state === 'resolved');
      expect(waiting.value!.filter(({ error }) => error !== undefined)).to.be.empty;
      expect(await db('t').pluck('id').orderBy('id')).to.deep.equal([1, 2, 3, 4, 5]);
    });

    it('lets a block with retry succeed', async () => {
      await stop();
      const retry = { attempts: 50, minDelayMillis: 5, maxDelayMillis: 50, when: isFatal };
      let retries = 0;
      const block = db.atomic((trx) => trx('t').insert({ id: 1 }), { retry, hooks: { onRetry: () => void retries++ } });
      await until('it was tried again', () => retries > 1);
      await server.start();
      await block;
      expect(await db('t')).to.have.lengthOf(1);
    });
  });
});
