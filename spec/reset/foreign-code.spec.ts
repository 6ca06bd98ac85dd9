// Code that is not ours throws, rejects or never settles in the middle of a reset: it costs its own connection at most.
import { channel } from 'node:diagnostics_channel';
import { expect } from 'chai';
import { Pool as TarnPool } from 'tarn';
import { Client } from 'pg';
import { ResetError } from '../../lib';
import { nextTurn } from '../../lib/words/waiting';
import { failure, outcome, watch } from '../support/outcome';
import { whyNoConnectionPool } from '../support/quiet-knex';
import { expectWarning } from '../support/root-hooks';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { uncaughtDuring } from '../support/uncaught';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

interface Raw {
  query(sql: string, callback?: (error: Error | null) => void): unknown;
  emit(event: string, ...told: unknown[]): boolean;
}

const thrown = new Error('thrown by foreign code');
const fail = (): never => {
  throw thrown;
};

describe('resetConnection(), when foreign code fails', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  /** As many idle connections, their raw connections. */
  async function idle(db: ResettableKnex, count: number): Promise<object[]> {
    const raws = await Promise.all(
      Array.from({ length: count }, () => db.client.acquireConnection() as Promise<object>),
    );
    for (const raw of raws) await db.client.releaseConnection(raw);
    return raws;
  }

  /** It works on, and ends. */
  async function worksOn(db: ResettableKnex): Promise<void> {
    expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    await db.destroy();
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
  }

  const endings: [title: string, end: () => unknown][] = [
    ['throws', fail],
    ['rejects', () => Promise.reject(thrown)],
    ['never settles, and does nothing', () => new Promise(() => {})],
    ['returns nothing, and does nothing', () => undefined],
  ];
  for (const [title, end] of endings) {
    it(`ends every connection when the end() of one ${title}`, async () => {
      const db = stage.resettable();
      const raws = await idle(db, 3);
      Object.assign(raws[1]!, { end });
      const report = await db.resetConnection({ timeoutMillis: 1500 });
      expect(report).to.include({ closedConnections: 3, forcedConnections: 1 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      await worksOn(db);
    });
  }

  it('does not end the process when the end() of an evicted connection throws', async () => {
    const db = stage.resettable({}, { timeoutMillis: 600 });
    const raws = await idle(db, 3);
    Object.assign(raws[0]!, { end: fail });
    const [, victim] = await stage.database.backends();
    await stage.database.terminate(victim!.pid);
    await until('all are gone', async () => (await stage.database.backends()).length === 0);
    await worksOn(db);
  });

  it('closes a connection that knex closes by itself and whose end() throws', async () => {
    const db = stage.resettable(
      { pool: { min: 0, idleTimeoutMillis: 20, reapIntervalMillis: 10 } },
      { timeoutMillis: 600 },
    );
    const [raw] = await idle(db, 1);
    Object.assign(raw!, { end: fail });
    await until('it is gone', async () => (await stage.database.backends()).length === 0);
    await worksOn(db);
  });

  for (const how of ['running', 'queued'] as const) {
    it(`rejects every other query when the callback of a ${how} query throws`, async () => {
      const db = stage.resettable();
      const raw = (await db.client.acquireConnection()) as Raw;
      const rethrow = (error: Error | null) => {
        if (error) throw error;
      };
      if (how === 'queued') raw.query('select pg_sleep(31)', () => {});
      raw.query('select pg_sleep(30)', rethrow);
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      const query = failure(db.raw('select pg_sleep(32)'));
      await stage.running('pg_sleep', 2);
      const uncaught = await uncaughtDuring(() => db.resetConnection());
      expect(uncaught).to.have.length(1);
      expect(uncaught[0]).to.be.an.instanceof(ResetError);
      expect(await query).to.be.an.instanceof(ResetError);
      expect(await failure(trx.executionPromise)).to.be.an.instanceof(ResetError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      await worksOn(db);
    });
  }

  it('continues with the queue of a connection when a callback throws', async () => {
    const db = stage.resettable();
    const raw = (await db.client.acquireConnection()) as Raw;
    const answers: unknown[] = [];
    const uncaught = await uncaughtDuring(async () => {
      raw.query('select 1', fail);
      raw.query('select 1/0', fail);
      raw.query('select 2', (error) => answers.push(error));
      await until('the last is answered', () => answers.length === 1);
    });
    expect(uncaught).to.deep.equal([thrown, thrown]);
    await db.client.releaseConnection(raw);
    await worksOn(db);
  });

  it('rejects a query whose error has a getter of `code` that throws', async () => {
    const db = stage.resettable();
    const raw = (await db.client.acquireConnection()) as Raw;
    const hostile = Object.defineProperty(new Error('hostile'), 'code', { get: fail });
    raw.emit('error', hostile);
    expect(await failure(db.raw('select 1').connection(raw))).to.be.an.instanceof(Error);
    await db.client.releaseConnection(raw);
    await db.resetConnection();
    await worksOn(db);
  });

  for (const [title, prepare] of [
    ['gives arrays', (_: Error, sites: NodeJS.CallSite[]) => sites],
    ['throws', fail],
    ['gives nothing', () => undefined],
  ] as [string, typeof Error.prepareStackTrace][]) {
    it(`reports, and rejects every query, when Error.prepareStackTrace ${title}`, async () => {
      const db = stage.resettable({}, { leakAfterMillis: 60_000 });
      const original = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
      try {
        Error.prepareStackTrace = prepare;
        const trx = await db.transaction();
        const query = outcome(db.raw('select pg_sleep(30)'));
        await stage.running('pg_sleep');
        expect(db.connectionState().transactions).to.have.length(1);
        const report = await db.resetConnection();
        expect(report.abortedTransactions).to.have.length(1);
        expect((await query).error).to.be.an.instanceof(ResetError);
        expect((await outcome(trx.executionPromise)).error).to.be.an.instanceof(ResetError);
      } finally {
        Object.defineProperty(Error, 'prepareStackTrace', original ?? { value: undefined });
      }
      await worksOn(db);
    });
  }

  const insides: [title: string, spoil: (raw: object) => unknown][] = [
    ['processID', (raw) => Object.defineProperty(raw, 'processID', { get: fail })],
    ['getTransactionStatus()', (raw) => Object.assign(raw, { getTransactionStatus: fail })],
    ['host', (raw) => Object.defineProperty(raw, 'host', { get: fail })],
  ];
  for (const [title, spoil] of insides) {
    it(`ends every connection when ${title} of one throws`, async () => {
      const db = stage.resettable();
      const raws = await idle(db, 2);
      const raw = (await db.client.acquireConnection()) as Raw;
      const query = outcome(db.raw('select pg_sleep(30)').connection(raw));
      await stage.running('pg_sleep');
      for (const each of new Set([raw, raws[0]!])) spoil(each);
      await db.resetConnection({ timeoutMillis: 1500 });
      expect((await query).error).to.be.an.instanceof(ResetError);
      const state = db.connectionState();
      expect(state).to.deep.include({ resetting: false, transactions: [] });
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      for (const { pid, query: sql } of await stage.database.backends())
        if (sql.includes('pg_sleep')) await stage.database.terminate(pid);
      await db.destroy();
    });
  }

  it('continues when a listener of the pool and the logger throw', async () => {
    const db = stage.resettable({ pool: { max: 2, log: fail } as object });
    for (const event of ['acquireRequest', 'acquireSuccess', 'release', 'createSuccess', 'poolDestroyRequest'])
      db.client.pool.on(event, () => {
        throw null;
      });
    await idle(db, 2);
    await db.resetConnection();
    await idle(db, 2);
    await worksOn(db);
  });

  it('continues when the logger throws', async () => {
    const db = stage.resettable({ log: { warn: fail, error: fail, debug: fail, deprecate: fail }, pool: { max: 1 } });
    const raw = await db.client.acquireConnection();
    const waiter = failure(db.raw('select 1'));
    await until('it waits', () => db.connectionState().connections.waiting === 1);
    await db.resetConnection();
    expect(await waiter).to.be.an.instanceof(ResetError);
    await db.client.releaseConnection(raw);
    await worksOn(db);
  });

  it('continues when a subscriber of its channels throws', async () => {
    const db = stage.resettable();
    const channels = ['knex-reset:reset', 'knex-reset:transaction'].map((name) => channel(name));
    for (const each of channels) each.subscribe(fail);
    try {
      const uncaught = await uncaughtDuring(async () => {
        const trx = await db.transaction();
        await Promise.all([db.resetConnection(), failure(trx.executionPromise)]);
      });
      expect(new Set(uncaught)).to.deep.equal(new Set([thrown]));
    } finally {
      for (const each of channels) each.unsubscribe(fail);
    }
    await worksOn(db);
  });

  it('continues when afterCreate never calls back', async () => {
    let isHanging = true;
    const afterCreate = (_: object, done: (error: unknown, raw: object) => void) => {
      if (!isHanging) done(null, _);
    };
    const db = stage.resettable({ pool: { afterCreate } });
    const query = watch(db.raw('select 1'));
    await until('it is open', async () => (await stage.database.backends()).length === 1);
    await db.resetConnection({ timeoutMillis: 300 });
    await until('the query is told', () => query.state === 'rejected');
    expect(query.error).to.be.an.instanceof(ResetError);
    isHanging = false;
    const again = await db.resetConnection({ timeoutMillis: 5000 });
    expect(again.durationMillis).to.be.below(2000);
    expect(db.connectionState().connections.opening).to.equal(0);
    await until('its backend is gone', async () => (await stage.database.backends()).length === 0);
    await worksOn(db);
  });

  const saidTwice: [how: string, again: (done: (error: unknown, raw: object) => void, raw: object) => void][] = [
    ['fails when it has called back', fail],
    ['calls back again with an error', (done, raw) => done(thrown, raw)],
    ['calls back again with an error later', (done, raw) => void setImmediate(() => done(thrown, raw))],
  ];
  for (const [how, again] of saidTwice) {
    it(`keeps the connection when afterCreate ${how}`, async () => {
      let opened = 0;
      const afterCreate = (raw: object, done: (error: unknown, raw: object) => void) => {
        opened++;
        done(null, raw);
        again(done, raw);
      };
      const db = stage.resettable({ pool: { afterCreate } });
      await db.raw('select 1');
      await nextTurn();
      await db.raw('select 1');
      expect(opened).to.equal(1);
      expect(await db.resetConnection({ connections: 'recycle' })).to.include({ recycledConnections: 1 });
      await worksOn(db);
      expect(opened).to.equal(2);
    });
  }

  describeUnless(whyNoConnectionPool(), "of a pool of the user's", () => {
    /** Not a tarn pool for this package: it has its own way of keeping them. */
    function makePool() {
      const create = async () => {
        const client = new Client(stage.database.connection);
        await client.connect();
        return client;
      };
      const owned = new TarnPool<Client>({ min: 0, max: 3, create, destroy: (client) => client.end() });
      const methods = ['acquire', 'release', 'destroy', 'numFree', 'numUsed', 'numPendingAcquires'] as const;
      const pool = Object.fromEntries(
        methods.map((name) => [
          name,
          (...args: unknown[]) => (owned[name] as (...given: unknown[]) => unknown)(...args),
        ]),
      );
      return { owned, pool };
    }

    it('ends no process when its release() gives a promise that rejects', async () => {
      expectWarning(thrown.message);
      const { owned, pool } = makePool();
      const { release } = pool;
      Object.assign(pool, { release: (client: unknown) => (release?.(client), Promise.reject(thrown)) });
      const db = stage.resettable({ connectionPool: pool } as object);
      await db.raw('select 1');
      const trx = await db.transaction();
      await db.resetConnection();
      expect(await failure(trx.executionPromise)).to.be.an.instanceof(ResetError);
      await nextTurn();
      await db.destroy();
      await owned.destroy();
    });

    for (const method of ['release', 'acquire'] as const) {
      it(`rejects every query, and resolves, when its ${method}() throws`, async () => {
        const { owned, pool } = makePool();
        const db = stage.resettable({ connectionPool: pool } as object);
        const [trx, other] = [await db.transaction(), await db.transaction()];
        const { [method]: original } = pool;
        const waiters = Promise.all(Array.from({ length: 2 }, () => outcome(db.raw('select pg_sleep(30)'))));
        await stage.running('pg_sleep');
        Object.assign(pool, { [method]: fail });
        await db.resetConnection({ timeoutMillis: 1000 });
        for (const { error } of await waiters) expect(error).to.be.an.instanceof(ResetError);
        for (const each of [trx, other]) expect(await failure(each.executionPromise)).to.be.an.instanceof(ResetError);
        if (method === 'acquire') expect(await failure(db.raw('select 1'))).to.include({ message: thrown.message });
        Object.assign(pool, { [method]: original });
        await db.destroy();
        // Nobody gave them back.
        Object.assign(owned, { used: [] });
        await owned.destroy();
      });
    }
  });
});
