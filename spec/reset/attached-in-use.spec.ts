// An instance that became resettable while it was in use: what was open before counts as well.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError, resettable } from '../../lib';
import { failure, outcome, watch } from '../support/outcome';
import { NOTHING, type ResettableKnex } from '../support/stage';
import { storedIn, useTable } from './stage';
import { until } from '../support/until';

describe('resettable()', () => {
  const stage = useTable();
  let plain: Knex;

  beforeEach(() => {
    plain = stage.knex({ pool: { max: 2 } });
  });

  function attach(): ResettableKnex {
    return stage.adopt(resettable(plain));
  }

  describe('on an instance with a transaction open', () => {
    it('leaves the transaction to its end', async () => {
      const trx = await plain.transaction();
      await trx('t').insert({ id: 1 });
      const db = attach();
      await trx('t').insert({ id: 2 });
      await trx.commit();
      expect(await db('t').select()).to.deep.equal([{ id: 1 }, { id: 2 }]);
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
    });

    it('aborts it at a reset: the server ends it, and its holders get errors', async () => {
      const trx = await plain.transaction();
      const execution = watch(trx.executionPromise);
      await trx('t').insert({ id: 1 });
      const db = attach();
      const report = await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(report.abortedTransactions.map(({ state, depth }) => ({ state, depth }))).to.deep.equal([
        { state: 'idle', depth: 1 },
      ]);
      expect(await failure(trx('t').insert({ id: 2 }))).to.be.an.instanceof(ResetError);
      await outcome(trx.rollback());
      await until('its promise is settled', () => execution.state !== 'pending');
      expect(await storedIn(stage)).to.be.empty;
      expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
    });

    it('aborts one with a running query at a reset: the query rejects with ResetError', async () => {
      const transaction = failure(
        plain.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.raw('select pg_sleep(30)');
        }),
      );
      await stage.running('pg_sleep');
      const db = attach();
      const report = await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(report.forcedConnections).to.equal(0);
      expect(await transaction).to.be.an.instanceof(ResetError);
    });

    it('ignores the late release of its connection', async () => {
      let goOn = () => {};
      const pause = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const transaction = outcome(
        plain.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          await pause;
        }),
      );
      await until('it is open', async () => (await stage.database.backends())[0]?.state === 'idle in transaction');
      const db = attach();
      await db.resetConnection();
      await db.raw('select 1');
      goOn();
      expect((await transaction).error).to.be.an('error');
      expect(db.connectionState().connections).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
      expect(await storedIn(stage)).to.be.empty;
    });
  });

  describe('on an instance with a query running', () => {
    it('leaves the query to its end', async () => {
      const query = plain.raw('select pg_sleep(0.3), 1 as one').then(({ rows }) => rows[0].one as number);
      await stage.running('pg_sleep');
      const db = attach();
      expect(await query).to.equal(1);
      await db.raw('select 1');
      expect(await stage.database.backends()).to.have.lengthOf(1);
    });

    it('rejects it with ResetError at a reset', async () => {
      const query = failure(plain.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      const db = attach();
      const report = await db.resetConnection();
      expect(report).to.include({ abortedQueries: 1, forcedConnections: 0 });
      expect(await query).to.be.an.instanceof(ResetError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('on an instance that had a transaction before', () => {
    it('does not mistake a later query on the same connection for it', async () => {
      await plain.transaction((trx) => trx.raw('select 1'));
      const db = attach();
      const query = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      const report = await db.resetConnection();
      expect(report.abortedTransactions).to.be.empty;
      expect(report.abortedQueries).to.equal(1);
      await query;
    });
  });

  describe('on an instance with connections idle, being opened and waited for', () => {
    it('closes the idle ones at a reset', async () => {
      await Promise.all([plain.raw('select pg_sleep(0.02)'), plain.raw('select pg_sleep(0.02)')]);
      expect(await attach().resetConnection()).to.include({ closedConnections: 2 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('serves the queries that were waiting', async () => {
      const holders = [await plain.transaction(), await plain.transaction()];
      const waiting = plain.raw('select 1 as one').then(({ rows }) => rows as unknown[]);
      await until('it waits', () => plain.client.pool.numPendingAcquires() === 1);
      attach();
      await holders[0]!.commit();
      expect(await waiting).to.deep.equal([{ one: 1 }]);
      await holders[1]!.commit();
    });

    it('settles the waiting queries at a reset, and leaves nothing behind', async () => {
      const holders = [1, 2].map(() => failure(plain.transaction((trx) => trx.raw('select pg_sleep(30)'))));
      await stage.running('pg_sleep', 2);
      const waiting = watch(plain.raw('select 1'));
      await until('it waits', () => plain.client.pool.numPendingAcquires() === 1);
      const db = attach();
      await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      await until('it is settled', () => waiting.state !== 'pending');
      expect(waiting.error).to.be.an.instanceof(ResetError);
      for (const error of await Promise.all(holders)) expect(error).to.be.an.instanceof(ResetError);
    });

    it('stops the opening of connections at a reset', async () => {
      const proxy = await stage.proxy();
      plain = stage.knex({ through: proxy });
      proxy.delayMillis = 40;
      const query = failure(plain.raw('select 1'));
      await until('it is being opened', () => proxy.accepted === 1);
      const db = attach();
      await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(await query).to.be.an.instanceof(ResetError);
    });
  });

  it('keeps the listeners that the pool had', async () => {
    const events: string[] = [];
    plain.client.pool.on('createSuccess', () => events.push('created'));
    const db = attach();
    await db.raw('select 1');
    await db.resetConnection();
    await db.raw('select 1');
    expect(events).to.deep.equal(['created', 'created']);
  });
});
