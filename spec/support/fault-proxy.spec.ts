// Shows each fault of the proxy on a real PostgreSQL connection.
import { expect } from 'chai';
import { Client } from 'pg';
import { freshDatabase, type TestDatabase } from './database';
import { FaultProxy } from './fault-proxy';
import { until } from './until';

describe('FaultProxy', () => {
  let database: TestDatabase;
  let proxy: FaultProxy;
  let client: Client;

  before(async () => {
    database = await freshDatabase();
    await database.query('create table t (id int)');
  });
  after(() => database.drop());

  beforeEach(async () => {
    proxy = await FaultProxy.to(database.connection);
    client = await connect();
  });
  afterEach(() => proxy.close());

  async function connect(): Promise<Client> {
    const made = new Client(proxy.through(database.connection));
    made.on('error', () => {}); // its end is looked at through its queries
    await made.connect();
    return made;
  }

  function failure(query: Promise<unknown>): Promise<unknown> {
    return query.then(
      () => 'no failure',
      (error: unknown) => error,
    );
  }

  async function idsInTable(): Promise<unknown[]> {
    return (await database.query('select id from t order by id')).map(({ id }) => id);
  }

  it('hands everything on, and counts the links', async () => {
    expect((await client.query('select $1::text as long', ['x'.repeat(1e6)])).rows[0].long).to.have.lengthOf(1e6);
    expect(proxy.connections).to.equal(1);
    await client.end();
    await until('the link is closed', () => proxy.connections === 0);
    expect(proxy.accepted).to.equal(1);
  });

  it('cuts before a message: the server never sees it', async () => {
    const fault = proxy.cutBefore('COMMIT');
    await client.query('BEGIN; insert into t values (1)');
    expect(await failure(client.query('COMMIT'))).to.include({ code: 'ECONNRESET' });
    await until('the backend is gone', async () => (await database.backends()).length === 0);
    expect(await idsInTable()).to.deep.equal([]);
    expect(fault.hits).to.equal(1);
  });

  it('cuts after a message: the server acts on it, and the client never hears', async () => {
    proxy.cutAfter(/^Q.*COMMIT/s);
    await client.query('BEGIN; insert into t values (2)');
    expect(await failure(client.query('COMMIT'))).to.include({ code: 'ECONNRESET' });
    await until('the backend is gone', async () => (await database.backends()).length === 0);
    expect(await idsInTable()).to.deep.equal([2]);
  });

  it('swallows the answers after a message, and leaves the link open', async () => {
    const fault = proxy.swallowAnswersAfter('insert');
    const insert = failure(client.query('insert into t values (3)'));
    await until('the row is there', async () => (await idsInTable()).includes(3));
    expect([fault.hits, proxy.connections]).to.deep.equal([1, 1]);
    proxy.reset();
    expect(await insert).to.include({ code: 'ECONNRESET' });
  });

  it('strikes once, or as often as asked', async () => {
    const fault = proxy.cutAfter('select 1', { times: 2 });
    const others = [await connect(), await connect()];
    const outcomes = [];
    for (const each of [client, ...others]) outcomes.push(await failure(each.query('select 1')));
    expect(outcomes.map((outcome) => outcome === 'no failure')).to.deep.equal([false, false, true]);
    expect(fault.hits).to.equal(2);
  });

  it('freezes and thaws without losing a byte', async () => {
    proxy.freeze();
    let answered = false;
    const query = client.query('select 1 as one').then(({ rows }) => {
      answered = true;
      return rows;
    });
    await database.query('select 1'); // a whole connection's time
    expect(answered).to.be.false;
    proxy.thaw();
    expect(await query).to.deep.equal([{ one: 1 }]);
  });

  it('delays', async () => {
    proxy.delayMillis = 30;
    const start = performance.now();
    await client.query('select 1');
    expect(performance.now() - start).to.be.greaterThan(55);
  });

  it('delays the word that the server is ready, alone', async () => {
    proxy.readyDelayMillis = 60;
    const start = performance.now();
    const failed = failure(client.query('select 1/0')).then(() => performance.now() - start);
    const ready = client.query('select 1').then(() => performance.now() - start);
    expect((await ready) - (await failed)).to.be.greaterThan(55);
  });

  it('is a black hole, then resets', async () => {
    proxy.mode = 'blackhole';
    const query = failure(client.query('select 1'));
    proxy.reset();
    expect(await query).to.include({ code: 'ECONNRESET' });
  });

  it('ends links in the orderly way', async () => {
    let ended = false;
    client.once('end', () => {
      ended = true;
    });
    proxy.fin();
    await until('the client has ended', () => ended);
  });

  it('rejects new links', async () => {
    proxy.mode = 'reject';
    expect(await failure(connect())).to.include({ code: 'ECONNRESET' });
  });
});
