// The service of examples/http as a process of its own: what its clients are told is true, also while it is told to stop.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { connect, createTables, type Db } from '../../examples/http/db';
import { Load, ServiceProcess } from '../../examples/http/process';
import { freshDatabase, type TestDatabase } from '../support/database';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';

describe('examples/http', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  /** To look on with. */
  let db: Db;
  let service: ServiceProcess;
  /** Has no limit for its transactions. */
  let plain: Knex;

  beforeEach(async () => {
    database = await freshDatabase();
    db = connect(database.url);
    plain = makeKnex(database.connection);
    await createTables(db);
  });
  afterEach(async () => {
    await service.kill();
    await Promise.all([db.destroy(), plain.destroy()]);
    await database.drop();
  });

  /** With times that a starved machine does not run into, but for those that a test is about. */
  const start = async (times: { graceMillis?: number; limitMillis?: number } = {}) => {
    service = await ServiceProcess.start(database.url, { graceMillis: 20_000, limitMillis: 20_000, ...times });
  };
  const stored = () => db('orders').orderBy('id').pluck<number[]>('id');
  const mails = () => [...service.output.matchAll(/mail about order (\d+)/g)].map(([, id]) => Number(id));
  const health = async () => {
    const response = await fetch(`${service.origin}/health`);
    return (await response.json()) as { connections: { inUse: number }; oldestMillis: number };
  };
  /** Has every request wait in its transaction. */
  async function lockStock(): Promise<Knex.Transaction> {
    const trx = await plain.transaction();
    await trx.raw('lock table stock');
    return trx;
  }

  it('loses no acknowledged order while it is told to stop, and ends with 0 within the grace', async () => {
    const graceMillis = 20_000;
    await start({ graceMillis });
    const load = new Load(service, 12);
    await until('there is a load', () => load.acknowledged.length > 100, { timeoutMillis: 30_000 });
    const { code, signal, millis } = await service.terminate();
    await load.stop();

    expect([code, signal], service.output).to.deep.equal([0, null]);
    expect(millis).to.be.lessThan(graceMillis);
    expect(service.output).to.include('stopped, 0 transactions aborted');
    const ids = await stored();
    expect(ids).to.include.members(load.acknowledged);
    expect([...new Set(mails())].sort((a, b) => a - b)).to.deep.equal(ids);
    expect(await db('outbox').whereNull('sent_at').pluck('id')).to.deep.equal([]);
    expect((await database.backends()).filter(({ application_name }) => application_name === 'service')).to.be.empty;
  });

  it('keeps the audit of an order that is refused, and sends no mail about it', async () => {
    await start();
    expect((await service.order(1, 'pen')).status).to.equal(201);
    const soldOut = await service.order(2, 'pen');
    expect([soldOut.status, await soldOut.json()]).to.deep.equal([409, { error: '23514' }]);
    expect((await service.order(1)).status).to.equal(409);
    expect(await stored()).to.deep.equal([1]);
    expect(await db('audit').orderBy('id').pluck('order_id')).to.deep.equal([1, 2, 1]);
    await until('the mail is sent', () => mails().length > 0);
    expect((await service.terminate()).code).to.equal(0);
    expect(mails()).to.deep.equal([1]);
  });

  it('answers a request that waits in vain at its limit, and has the connection back', async () => {
    await start({ limitMillis: 500 });
    const lock = await lockStock();
    const response = await service.order(1);
    expect([response.status, await response.json()]).to.deep.equal([503, { error: 'ERR_TRANSACTION_TIMEOUT' }]);
    await until('its connection is back', async () => (await health()).connections.inUse === 0);
    await lock.rollback();
    await until('the next one is served', async () => (await service.order(1)).status === 201);
  });

  it('aborts what does not end in the grace, says so, and ends with 0 all the same', async () => {
    await start({ graceMillis: 100 });
    const lock = await lockStock();
    const waiting = service.order(1);
    await until('it waits for the lock', async () => (await database.locks()).some(({ granted }) => !granted));
    expect((await health()).oldestMillis).to.be.greaterThan(0);
    const ended = service.terminate();
    const response = await waiting;
    expect(response.status).to.equal(503);
    expect((await response.json()) as { error: string }).to.deep.equal({ error: 'ERR_RESET' });
    expect((await ended).code).to.equal(0);
    expect(service.output).to.include('stopped, 1 transactions aborted');
    await lock.rollback();
    expect(await stored()).to.deep.equal([]);
  });

  it('sends what a process that was killed has left in the outbox', async () => {
    await db('outbox').insert({ order_id: 7 });
    await start();
    await until('the mail is sent', () => mails().includes(7));
    expect((await service.terminate()).code).to.equal(0);
    expect(await db('outbox').whereNull('sent_at').pluck('id')).to.deep.equal([]);
  });
});
