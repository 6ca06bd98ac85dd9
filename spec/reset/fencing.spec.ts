// That nothing asked before a reset touches the database or the pool after it.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import type { KnexClient } from '../../lib/knex/client-shape';
import { failure, nextTurn, watch } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';
import { WireTranscript } from '../support/wire-transcript';

describe('resetConnection()', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  describe('while a connection is being opened', () => {
    it('lends it to nobody, and leaves nothing of it behind', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      proxy.delayMillis = 40;
      const query = failure(db('t').insert({ id: 1 }));
      await until('it is being opened', () => db.connectionState().connections.opening === 1 && proxy.accepted === 1);
      const transcript = new WireTranscript(proxy);
      const report = await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(await query).to.be.an.instanceof(ResetError);
      expect(report).to.include({ rejectedWaiters: 1 });
      expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
      expect(transcript.sql).not.to.include('insert into "t" ("id") values ($1)');
      expect(await stage.database.query('select * from t')).to.be.empty;
    });

    it('serves a later query with a new connection', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      proxy.delayMillis = 30;
      const query = failure(db.raw('select 1'));
      await until('it is being opened', () => proxy.accepted === 1);
      await db.resetConnection();
      await query;
      proxy.delayMillis = 0;
      await db.raw('select 2');
      expect(proxy.accepted).to.equal(2);
      expect(await stage.database.backends()).to.have.lengthOf(1);
    });

    it('stays within its bound when the server does not answer the login', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      proxy.mode = 'blackhole';
      const query = failure(db.raw('select 1'));
      await until('it is being opened', () => proxy.accepted === 1);
      const start = performance.now();
      await db.resetConnection({ timeoutMillis: 300 });
      expect(performance.now() - start).to.be.below(300 + 1500);
      expect(await query).to.be.an.instanceof(ResetError);
      proxy.mode = 'pass';
      expect((await db.raw('select 2 as two')).rows).to.deep.equal([{ two: 2 }]);
      await until('the server has one backend', async () => (await stage.database.backends()).length === 1);
    });
  });

  describe('while a connection becomes open during the reset', () => {
    it('waits for the end of that connection too', async () => {
      const [first, second] = [await stage.proxy(), await stage.proxy()] as const;
      const ways = [first, second];
      const connection = () => ways.shift()!.through(stage.database.connection) as Knex.PgConnectionConfig;
      const db = stage.resettable({ connection });
      Object.assign(db.client, { connectionConfigExpirationChecker: () => true });
      const busy = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      Object.assign(db.client, { connectionConfigExpirationChecker: () => true });
      second.freeze();
      const waiter = failure(db.raw('select 1'));
      await until('the second is being opened', () => second.accepted === 1);

      first.freeze(); // so that the reset has to wait for the first
      const reset = watch(db.resetConnection({ timeoutMillis: 4000 }));
      second.delayMillis = 60; // so that its goodbye is still on the way when it is noticed to be open
      second.thaw();
      await until('the second is open', () => db.connectionState().connections.opening === 0);
      second.freeze(); // its goodbye is under way
      first.thaw();
      await until('the first has ended', async () => (await stage.database.backends()).length === 1);
      await until('its end is known', () => first.connections === 0);
      await nextTurn();
      expect(reset.state).to.equal('pending');
      second.thaw();
      await until('the reset is over', () => reset.state === 'resolved');
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      for (const error of [await busy, await waiter]) expect(error).to.be.an.instanceof(ResetError);
    });
  });

  describe('while a connection is held by hand', () => {
    it('ignores its late release', async () => {
      const db = stage.resettable();
      const client = db.client as KnexClient;
      const connection = await client.acquireConnection();
      await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      await db.raw('select 1');
      await client.releaseConnection(connection);
      await client.releaseConnection(connection);
      expect(db.connectionState().connections).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
      expect([db.client.pool.numFree(), db.client.pool.numUsed()]).to.deep.equal([1, 0]);
    });

    it('refuses later queries on it', async () => {
      const db = stage.resettable();
      const client = db.client as KnexClient;
      const connection = await client.acquireConnection();
      await db.resetConnection();
      const late = db('t').connection(connection).insert({ id: 2 });
      expect(await failure(late)).to.be.an('error');
      expect(await stage.database.query('select * from t')).to.be.empty;
      await client.releaseConnection(connection);
    });
  });

  describe('while a callback continues after the abort', () => {
    it('sends nothing that the callback asks on its old handle', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      let goOn = () => {};
      const pause = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const laters: unknown[] = [];
      let isIn = false;
      const transaction = watch(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 3 });
          isIn = true;
          await pause;
          for (const later of [trx('t').insert({ id: 4 }), trx.commit()]) laters.push(await failure(later));
        }),
      );
      await until('it has inserted', () => isIn);
      await db.resetConnection();
      await db.raw('select 1');
      const transcript = new WireTranscript(proxy);
      goOn();
      await until('the callback is through', () => laters.length === 2);
      await nextTurn();
      expect(transaction.error).to.be.an.instanceof(ResetError);
      for (const later of laters) expect(later).to.be.an.instanceof(ResetError);
      expect(transcript.sql).to.be.empty;
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
      expect(await stage.database.query('select * from t')).to.be.empty;
    });
  });
});
