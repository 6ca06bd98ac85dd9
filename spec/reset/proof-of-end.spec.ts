// That a socket has closed proves nothing about the session on the server: it is ended there, whatever stands between.
import net from 'node:net';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Knex } from 'knex';
import type { Client } from 'pg';
import { CommitUnknownError, ResetError } from '../../lib';
import { driverOf } from '../../lib/drivers';
import { factsOf } from '../../lib/knex/client-facts';
import { Middlebox } from '../support/middlebox';
import { failure, millisOf, outcome } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('a connection that a middlebox has forgotten', () => {
  const stage = useStage();
  let middlebox: Middlebox;
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int)'));
  beforeEach(async () => {
    const { host, port } = stage.database.observer;
    middlebox = await Middlebox.to({ host, port });
    const through = { host: '127.0.0.1', port: middlebox.port, stream: undefined };
    db = stage.resettable({ connection: { ...stage.database.connection, ...through } as Knex.PgConnectionConfig });
  });
  afterEach(async () => {
    await db.resetConnection({ timeoutMillis: 500 });
    await middlebox.close();
  });

  const connections: [title: string, begin: () => Promise<unknown>][] = [
    ['an idle one', () => db.raw('select 1')],
    [
      'three idle ones',
      async () => {
        const raws = await Promise.all([1, 2, 3].map(() => db.client.acquireConnection() as Promise<object>));
        for (const raw of raws) await db.client.releaseConnection(raw);
      },
    ],
    [
      'one that listens',
      async () => {
        const raw = (await db.client.acquireConnection()) as Client;
        await raw.query('listen news');
        await db.client.releaseConnection(raw);
      },
    ],
    [
      'one in a transaction',
      async () => {
        const trx = await db.transaction();
        void outcome(trx.executionPromise);
        await trx('t').insert({ id: 1 });
      },
    ],
    [
      'one that runs a query',
      async () => {
        void outcome(db.raw('select pg_sleep(30)'));
        await stage.running('pg_sleep');
      },
    ],
    [
      'one that is held by hand, with an advisory lock',
      async () => {
        const raw = (await db.client.acquireConnection()) as Client;
        raw.on('error', () => {});
        await raw.query('select pg_advisory_lock(1)');
      },
    ],
  ];

  for (const [title, begin] of connections) {
    it(`leaves no backend of ${title} when the goodbye is answered by RST`, async () => {
      await begin();
      middlebox.forget();
      await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    for (const how of ['reset', 'fin'] as const) {
      it(`leaves no backend of ${title} whose socket closed before (${how})`, async () => {
        await begin();
        middlebox[how]();
        await until('it is noticed', () => middlebox.isDeserted);
        await db.resetConnection();
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      });
    }
  }

  it('leaves no backend of an idle one that died, without a reset', async () => {
    await db.raw('select 1');
    middlebox.reset();
    await until('it is gone from the server', async () => (await stage.database.backends()).length === 0);
    expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
  });

  it('leaves no lock of a lost transaction, without a reset', async () => {
    const told = failure(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        middlebox.reset();
        await trx('t').insert({ id: 2 });
      }),
    );
    await told;
    await until('its locks are gone', async () => (await stage.database.locks()).length === 0);
  });

  it('ends one in COMMIT at a reset, and not before', async () => {
    await stage.database.query(
      'create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return null; end $$',
    );
    await stage.database.query('create table slow (id int)');
    await stage.database.query(
      'create constraint trigger slow after insert on slow deferrable initially deferred for each row execute function slow()',
    );
    const block = () => failure(db.atomic((trx) => trx('slow').insert({ id: 1 })));
    const committing = () =>
      until('COMMIT runs', async () =>
        (await stage.database.backends()).some(({ state, query }) => state === 'active' && /commit/i.test(query)),
      );
    const left = block();
    await committing();
    middlebox.reset();
    expect(await left).to.be.an.instanceof(CommitUnknownError);
    await until('it has ended by itself', async () => (await stage.database.backends()).length === 0);
    expect(await stage.database.query('select 1 from slow')).to.have.length(1);
    const ended = block();
    await committing();
    middlebox.reset();
    expect(await ended).to.be.an.instanceof(CommitUnknownError);
    await db.resetConnection();
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    expect(await stage.database.query('select 1 from slow')).to.have.length(1);
  });

  describe('that is being ended when a reset comes', () => {
    /** One that died while idle, and whose side connection gets no answer. */
    async function dying(timeoutMillis: number): Promise<ResettableKnex> {
      const through = { host: '127.0.0.1', port: middlebox.port, stream: undefined };
      const connection = { ...stage.database.connection, ...through } as Knex.PgConnectionConfig;
      const own = stage.resettable({ connection }, { timeoutMillis });
      await own.raw('select 1');
      middlebox.stall();
      const before = middlebox.accepted;
      middlebox.reset();
      await until('its side connection is on the way', () => middlebox.accepted > before);
      return own;
    }

    it('is ended over another side connection when the first one is silent', async () => {
      const own = await dying(20_000);
      middlebox.passNew();
      await own.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('is ended before the reset resolves, when that has more time', async () => {
      const own = await dying(1500);
      const startedAt = performance.now();
      const reset = own.resetConnection({ timeoutMillis: 20_000 });
      await until('the time that it had is up', () => performance.now() - startedAt > 2000);
      middlebox.flow();
      await reset;
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('is ended in the end, when the reset has less time', async () => {
      const own = await dying(20_000);
      expect(await millisOf(own.resetConnection({ timeoutMillis: 200 }))).to.be.below(2000);
      middlebox.flow();
      await until('it is gone from the server', async () => (await stage.database.backends()).length === 0);
    });
  });

  it('opens one side connection for all that died together', async () => {
    const raws = await Promise.all([1, 2, 3, 4].map(() => db.client.acquireConnection() as Promise<object>));
    for (const raw of raws) await db.client.releaseConnection(raw);
    expect(middlebox.accepted).to.equal(4);
    middlebox.reset();
    await db.resetConnection();
    expect(middlebox.accepted).to.equal(5);
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
  });
});

describe('a session that a side connection ends', () => {
  const stage = useStage();

  it('is ours: what has its id now began before ours was open, and is of the same user in the same database', async () => {
    const db = stage.resettable();
    const driver = driverOf(factsOf(db.client));
    const [raw, other] = (await Promise.all([1, 2].map(() => db.client.acquireConnection()))) as [Client, Client];
    const { pid } = (await other.query('select pg_backend_pid() as pid')).rows[0] as { pid: number };
    const side = driver.openSideConnection?.(raw);
    // It began after the moment that is named: a stranger that was given the id of a session which has ended.
    const stranger = { id: pid, ageMillis: 60_000, sparesCommit: false };
    expect(await side?.terminate([stranger])).to.deep.equal([]);
    expect((await other.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    other.on('error', () => {});
    expect(await side?.terminate([{ ...stranger, ageMillis: 0 }])).to.deep.equal([pid]);
    await until('it is terminated', async () => (await side?.terminate([{ ...stranger, ageMillis: 0 }]))?.length === 0);
    await side?.close(500);
    for (const each of [raw, other]) await db.client.releaseConnection(each);
  });
});

describe('connections through a stream factory', () => {
  const stage = useStage();

  it('are cancelled and ended through the same factory', async () => {
    const { host, port } = stage.database.observer;
    const { user, password, database } = stage.database.connection;
    let made = 0;
    const stream = () => {
      made++;
      const socket = new net.Socket();
      const connect = socket.connect.bind(socket);
      const toServer = () => connect(port, host);
      return Object.assign(socket, { connect: toServer });
    };
    // Nobody listens where it would lead without the factory.
    const db = stage.resettable({
      connection: { user, password, database, host: '127.0.0.1', port: 1, stream } as object,
    });
    const query = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const stubborn = failure(
      db.raw(
        `do $$ begin loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$`,
      ),
    );
    await stage.running('query_canceled');
    const report = await db.resetConnection({ timeoutMillis: 3000 });
    expect(report).to.include({ closedConnections: 2, forcedConnections: 1 });
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    for (const told of [query, stubborn]) expect(await told).to.be.an.instanceof(ResetError);
    expect(made).to.be.at.least(4);
  });
});

describe('a session that is looked for on the server', () => {
  const stage = useStage();
  const HOUR = 3_600_000;
  afterEach(() => sinon.restore());

  it('is found where this clock runs a little faster than that of the server', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy });
    const query = failure(db.raw('select pg_sleep(30)'));
    const [pid] = await stage.running('pg_sleep');
    const now = performance.now.bind(performance);
    sinon.stub(performance, 'now').callsFake(() => now() + HOUR);
    let since: number | undefined;
    proxy.onMessage(({ bytes }) => {
      const [, millis] = /backend_start < now\(\) - interval '(\d+) milliseconds'/.exec(bytes.toString('latin1')) ?? [];
      since ??= millis === undefined ? undefined : Number(millis);
    });
    proxy.reset();
    await query;
    await until('it is looked for', () => since !== undefined);
    expect(since).to.be.within(HOUR * 0.99, HOUR * 0.9995);
    await stage.database.terminate(pid as number);
  });
});
