// `connections: 'recycle'`: the same connection afterwards, and nothing of its old session on it; what cannot be washed is closed.
import { expect } from 'chai';
import type { Knex } from 'knex';
import sinon from 'sinon';
import type { PoolClient } from 'pg';
import { type ResetOptions, ResetError } from '../../lib';
import { type Connection, connectionOf } from '../../lib/connection/connection';
import { defer } from '../../lib/words/waiting';
import { pidOf } from '../support/backend';
import { failure, never, nextTurn, watch } from '../support/outcome';
import { sizesOn } from '../support/sizes-on';
import { NOTHING, type ResettableKnex, type StageConfig, useStage } from '../support/stage';
import { until } from '../support/until';
import { WireTranscript } from '../support/wire-transcript';

/** Roles are the server's, not a database's: one for each process of a parallel run. */
const OTHER_ROLE = `spec_other_${process.pid}`;

describe("resetConnection({ connections: 'recycle' })", () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int primary key)'));

  const recycle = (db: ResettableKnex, options: ResetOptions = {}) =>
    db.resetConnection({ connections: 'recycle', ...options });
  const first = async <T>(db: Knex, sql: string) => ((await db.raw(sql)) as { rows: T[] }).rows[0] as T;
  const alone = (config: StageConfig = {}) => stage.resettable({ ...config, pool: { max: 1, ...config.pool } });

  describe('an idle connection', () => {
    it('is kept, and counted', async () => {
      const db = alone();
      const pid = await pidOf(db);
      expect(await recycle(db)).to.include({
        recycledConnections: 1,
        closedConnections: 0,
        forcedConnections: 0,
        generation: 1,
      });
      expect(await pidOf(db)).to.equal(pid);
      expect(await stage.database.backends()).to.have.lengthOf(1);
    });

    it('is cleaned in one round trip', async () => {
      const proxy = await stage.proxy();
      const db = alone({ through: proxy });
      await db.raw('select 1');
      const transcript = new WireTranscript(proxy);
      await recycle(db);
      expect([transcript.sql, transcript.cancelled]).to.deep.equal([['DISCARD ALL'], []]);
    });

    it('is no larger after many cleanings without a query in between', async () => {
      const db = alone();
      const raw = (await db.client.acquireConnection()) as { connection: object };
      await db.client.releaseConnection(raw);
      const { connection: wire } = raw;
      await recycle(db);
      const afterOne = sizesOn(wire);
      for (let count = 0; count < 5; count++) await recycle(db);
      expect(sizesOn(wire)).to.deep.equal(afterOne);
    });

    const traces: [what: string, leave: string, look: string, clean: object][] = [
      ['a setting', `set work_mem = '123kB'`, 'show work_mem', { work_mem: '4MB' }],
      [
        'a custom setting',
        `select set_config('my.user', '7', false)`,
        `select current_setting('my.user', true) as it`,
        { it: '' },
      ],
      ['the role', `set role ${OTHER_ROLE}`, 'select current_user = session_user as it', { it: true }],
      ['a temp table', 'create temp table tt (id int)', `select to_regclass('tt') as it`, { it: null }],
      ['LISTEN', 'listen news', 'select count(*)::int as it from pg_listening_channels()', { it: 0 }],
      [
        'an advisory lock',
        'select pg_advisory_lock(7)',
        `select count(*)::int as it from pg_locks where locktype = 'advisory'`,
        { it: 0 },
      ],
      [
        'a prepared statement',
        'prepare p as select 1',
        'select count(*)::int as it from pg_prepared_statements',
        { it: 0 },
      ],
      [
        'a held cursor',
        'declare c cursor with hold for select 1',
        'select count(*)::int as it from pg_cursors',
        { it: 0 },
      ],
      [
        'a sequence’s last value',
        `create temp sequence s; select nextval('s')`,
        `select to_regclass('s') as it`,
        { it: null },
      ],
      ['the search path', 'set search_path = pg_catalog', 'show search_path', { search_path: '"$user", public' }],
      [
        'a time zone',
        `set time zone 'Asia/Tokyo'`,
        `select current_setting('TimeZone') = 'Asia/Tokyo' as it`,
        { it: false },
      ],
    ];
    before(async () => {
      const { observer, name } = stage.database;
      await observer.query(`create role ${OTHER_ROLE} role ${name}`);
    });
    after(() => stage.database.observer.query(`drop role ${OTHER_ROLE}`));

    for (const [what, leave, look, clean] of traces) {
      it(`loses ${what}`, async () => {
        const db = alone();
        const pid = await pidOf(db);
        await db.raw(leave);
        expect(await first(db, look)).not.to.deep.equal(clean);
        await recycle(db);
        expect(await pidOf(db)).to.equal(pid);
        expect(await first(db, look)).to.deep.equal(clean);
      });
    }

    it('loses the named statements of the driver, which are prepared again', async () => {
      const db = alone();
      const named = async () => {
        const connection = (await db.client.acquireConnection()) as PoolClient;
        try {
          const statement = { name: 'named', text: 'select $1::int + 1 as sum', values: [1] };
          return (await connection.query<{ sum: number }>(statement)).rows;
        } finally {
          await db.client.releaseConnection(connection);
        }
      };
      const pid = await pidOf(db);
      expect(await named()).to.deep.equal([{ sum: 2 }]);
      await recycle(db);
      expect(await named()).to.deep.equal([{ sum: 2 }]);
      expect(await pidOf(db)).to.equal(pid);
    });

    it('is set up like a new one: searchPath, then afterCreate', async () => {
      const seen: unknown[] = [];
      const db = alone({
        searchPath: ['special', 'public'],
        pool: {
          afterCreate(connection: PoolClient, done: (error?: unknown) => void) {
            connection.query(`set application_name = 'set up'; show search_path`, (error: unknown, result: unknown) => {
              const results = result as { rows: { search_path: string }[] }[] | undefined;
              seen.push(results?.[1]?.rows[0]?.search_path);
              done(error);
            });
          },
        },
      });
      const pid = await pidOf(db);
      await db.raw(`set application_name = 'spoilt'; set search_path = public`);
      await recycle(db);
      expect(seen).to.deep.equal(['special, public', 'special, public']);
      expect(await first(db, 'show application_name')).to.deep.equal({ application_name: 'set up' });
      expect(await first(db, 'show search_path')).to.deep.equal({ search_path: 'special, public' });
      expect(await pidOf(db)).to.equal(pid);
    });

    it('is closed when it cannot be set up', async () => {
      let calls = 0;
      const db = alone({
        pool: {
          afterCreate: (_: unknown, done: (error?: unknown) => void) => done(++calls === 2 ? new Error('no') : null),
        },
      });
      const pid = await pidOf(db);
      expect(await recycle(db)).to.include({ recycledConnections: 0, closedConnections: 1 });
      expect(await pidOf(db)).not.to.equal(pid);
    });

    it('is not set up, and refuses queries, when it is cleaned too late', async () => {
      let setUps = 0;
      const afterCreate = (_: unknown, done: () => void) => {
        setUps++;
        done();
      };
      const db = alone({ pool: { afterCreate } });
      const raw = (await db.client.acquireConnection()) as PoolClient;
      await db.client.releaseConnection(raw);
      const connection = connectionOf(raw) as Connection;
      const washed = defer();
      const resetSession = sinon.stub(connection.driver, 'resetSession').callsFake(() => washed.promise);
      const abandoned = new Error('abandoned');
      connection.refuse(abandoned);
      try {
        const report = recycle(db, { timeoutMillis: 1500 });
        await until('it is being closed', () => connection.closing !== undefined);
        washed.resolve();
        expect(await report).to.include({ recycledConnections: 0, closedConnections: 1 });
      } finally {
        washed.resolve();
        resetSession.restore();
      }
      expect(setUps).to.equal(1);
      expect(connection.refusal).to.equal(abandoned);
    });

    it('is closed when it is dead', async () => {
      const db = alone();
      const pid = await pidOf(db);
      await stage.database.terminate(pid);
      expect(await recycle(db)).to.include({ recycledConnections: 0 });
      expect(await pidOf(db)).not.to.equal(pid);
    });

    it('is closed within the bound when it is frozen', async () => {
      const proxy = await stage.proxy();
      const db = alone({ through: proxy });
      const pid = await pidOf(db);
      proxy.freeze();
      const start = performance.now();
      const report = await recycle(db, { timeoutMillis: 800 });
      expect(performance.now() - start).to.be.lessThan(1050);
      expect(report).to.include({ recycledConnections: 0, closedConnections: 1, forcedConnections: 1 });
      proxy.thaw();
      expect(await pidOf(db)).not.to.equal(pid);
    });
  });

  describe('a busy connection', () => {
    it('is cancelled, cleaned and kept', async () => {
      const db = alone();
      const pid = await pidOf(db);
      const transaction = failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.raw('select pg_sleep(30)');
        }),
      );
      await stage.running('pg_sleep');
      const report = await recycle(db, { reason: 'the spec' });
      expect(report).to.include({ recycledConnections: 1, closedConnections: 0 });
      expect(report.abortedTransactions.map(({ backendId }) => backendId)).to.deep.equal([pid]);
      expect(await transaction)
        .to.be.instanceOf(ResetError)
        .with.property('reason', 'the spec');
      expect(await stage.database.locks()).to.be.empty;
      expect(await db('t')).to.deep.equal([]);
      expect(await pidOf(db)).to.equal(pid);
    });

    it('is kept after a query outside a transaction', async () => {
      const db = alone();
      const pid = await pidOf(db);
      const query = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      expect(await recycle(db)).to.include({ recycledConnections: 1, abortedQueries: 1 });
      expect(await query).to.be.instanceOf(ResetError);
      expect(await pidOf(db)).to.equal(pid);
    });

    it('is kept after a failed transaction', async () => {
      const db = alone();
      const trx = await db.transaction();
      await failure(trx.raw('select * from nothing'));
      expect(await recycle(db)).to.include({ recycledConnections: 1 });
      expect(await failure(trx.commit())).to.be.instanceOf(ResetError);
      expect(await first(db, 'select 1 as one')).to.deep.equal({ one: 1 });
    });

    it('is closed when it is held by hand, since its holder might go on using it', async () => {
      const db = alone();
      const connection = (await db.client.acquireConnection()) as PoolClient;
      expect(await recycle(db)).to.include({ recycledConnections: 0, closedConnections: 1 });
      expect(await failure(connection.query('select 1'))).to.be.an('error');
      await db.client.releaseConnection(connection);
      expect(await first(db, 'select 1 as one')).to.deep.equal({ one: 1 });
    });

    it('is closed when a stream is read from it', async () => {
      const db = alone();
      const stream = db.raw('select generate_series(1, 100000)').stream({ highWaterMark: 1 });
      const reading = failure(
        (async () => {
          for await (const row of stream) void row;
        })(),
      );
      await until('it is read', () => db.connectionState().connections.inUse === 1);
      await stage.running('generate_series').catch(() => {});
      expect(await recycle(db)).to.include({ recycledConnections: 0, closedConnections: 1 });
      expect(await reading).to.be.instanceOf(ResetError);
      expect(await first(db, 'select 1 as one')).to.deep.equal({ one: 1 });
    });

    it('is closed within the bound when it does not answer', async () => {
      const proxy = await stage.proxy();
      const db = alone({ through: proxy });
      const transaction = failure(db.transaction(never));
      await until('it is open', () => db.connectionState().transactions[0]?.lastSql === 'BEGIN;');
      proxy.mode = 'blackhole';
      const start = performance.now();
      const report = await recycle(db, { timeoutMillis: 800 });
      expect(performance.now() - start).to.be.lessThan(1050);
      expect(report).to.include({ recycledConnections: 0, closedConnections: 1, forcedConnections: 1 });
      await transaction;
    });
  });

  describe('an earlier borrower', () => {
    it('does not disturb the next one, though its callback still runs', async () => {
      const db = alone();
      const pid = await pidOf(db);
      const [isIn, go] = [defer(), defer()];
      const heard: unknown[] = [];
      const old = failure(
        db.transaction(async (trx) => {
          isIn.resolve();
          await go.promise;
          heard.push(await failure(trx('t').insert({ id: 1 })));
          heard.push(await failure(trx.commit()));
          await trx.rollback();
        }),
      );
      await isIn.promise;
      await recycle(db);

      const next = await db.transaction();
      expect(await pidOf(next)).to.equal(pid);
      await next('t').insert({ id: 2 });
      go.resolve();
      expect(await old).to.be.instanceOf(ResetError);
      await until('the old callback is done', () => heard.length === 2);
      await nextTurn();
      for (const error of heard) expect(error).to.be.instanceOf(ResetError);
      expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 1, opening: 0, waiting: 0 });
      expect(await next('t')).to.deep.equal([{ id: 2 }]);
      await next.rollback();
      expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
    });

    it('has no effect when its handle is ended', async () => {
      for (const end of ['rollback', 'commit'] as const) {
        const db = alone();
        const old = await db.transaction();
        await recycle(db);
        const query = watch(db.raw('select pg_sleep(0.4)'));
        await stage.running('pg_sleep');
        await old[end]().catch((error: unknown) => expect(error).to.be.instanceOf(ResetError));
        expect(db.connectionState().connections.inUse).to.equal(1);
        expect(query.state).to.equal('pending');
        await until('it is answered', () => query.state !== 'pending');
        expect(query.state).to.equal('resolved');
      }
    });
  });

  describe('with a full pool', () => {
    it('serves requeued waiters on the same connection', async () => {
      const db = alone();
      const pid = await pidOf(db);
      const holder = failure(db.transaction((trx) => trx.raw('select pg_sleep(30)')));
      await stage.running('pg_sleep');
      const waiting = [1, 2, 3].map(() => pidOf(db));
      await until('they wait', () => db.connectionState().connections.waiting === 3);
      expect(await recycle(db, { waiting: 'requeue' })).to.include({ requeuedWaiters: 3, recycledConnections: 1 });
      expect(await Promise.all(waiting)).to.deep.equal([pid, pid, pid]);
      expect(await holder).to.be.instanceOf(ResetError);
    });

    it('rejects waiters otherwise', async () => {
      const db = alone();
      const holder = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      const waiting = [1, 2].map(() => failure(db.raw('select 1')));
      await until('they wait', () => db.connectionState().connections.waiting === 2);
      expect(await recycle(db)).to.include({ rejectedWaiters: 2, recycledConnections: 1 });
      for (const error of [await holder, ...(await Promise.all(waiting))]) expect(error).to.be.instanceOf(ResetError);
      expect(await first(db, 'select 1 as one')).to.deep.equal({ one: 1 });
    });

    it('keeps, cleans or closes each connection by what runs on it', async () => {
      const db = stage.resettable({ pool: { max: 4 } });
      const handles = [await db.transaction(), await db.transaction(), await db.transaction()];
      const byHand = (await db.client.acquireConnection()) as PoolClient;
      await handles[2]!.rollback();
      const sleeping = failure(handles[0]!.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      const report = await recycle(db);
      expect(report).to.include({ recycledConnections: 3, closedConnections: 1, forcedConnections: 0 });
      expect(report.abortedTransactions).to.have.lengthOf(2);
      await sleeping;
      await db.client.releaseConnection(byHand);
      expect(db.connectionState().connections).to.include({ idle: 3, inUse: 0 });
      const states = (await stage.database.backends()).map(({ state }) => state);
      expect(states).to.deep.equal(['idle', 'idle', 'idle']);
    });
  });

  it('keeps one connection over many resets', async () => {
    const db = alone();
    const pid = await pidOf(db);
    for (let n = 0; n < 100; n++) {
      const trx = await db.transaction();
      await trx.raw(`set my.mark = '1'`);
      await recycle(db);
    }
    expect(await pidOf(db)).to.equal(pid);
    expect(db.client.pool.numUsed()).to.equal(0);
    expect(db.client.pool.numFree()).to.equal(1);
  });

  it('leaves nothing behind when a closing reset follows', async () => {
    const db = alone();
    await db.raw('select 1');
    await recycle(db);
    expect(await db.resetConnection()).to.include({ closedConnections: 1, recycledConnections: 0 });
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
  });
});
