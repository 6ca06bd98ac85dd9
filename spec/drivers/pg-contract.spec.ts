// Each piece of pg that lib/drivers/pg/pg.ts relies on, on a plain client: when pg changes one, it fails here by name.
import { once } from 'node:events';
import { expect } from 'chai';
import { Client, Query } from 'pg';
import type { PgConnection } from '../../lib/drivers/pg/client';
import { failure, outcome } from '../support/outcome';
import { useStage } from '../support/stage';

describe('pg’s client', () => {
  const stage = useStage();
  let client: PgConnection;
  let plain: Client;

  beforeEach(async () => {
    plain = new Client(stage.database.connection);
    plain.on('error', () => {});
    await plain.connect();
    client = plain as unknown as PgConnection;
  });
  afterEach(() => plain.end().catch(() => {}));

  it('has the backend’s id and key in `processID` and `secretKey`', async () => {
    expect((await stage.database.backends()).map(({ pid }) => pid)).to.deep.equal([client.processID]);
    expect(client.secretKey).to.not.be.undefined;
  });

  it('has host, port, `ssl` and `connectionParameters`', () => {
    // Without an address, where a stream factory knows it alone, pg has its defaults.
    const { host = 'localhost', port = 5432, ...others } = stage.database.connection;
    expect(client).to.include({ host, port });
    expect(client.ssl).to.deep.equal('ssl' in others ? others.ssl : false);
    expect(client.connectionParameters).to.include({ user: stage.database.name, database: stage.database.name });
  });

  it('is `readyForQuery` unless something runs, and then emits `drain`', async () => {
    expect(client.readyForQuery).to.be.true;
    const running = plain.query('select 1');
    expect(client.readyForQuery).to.be.false;
    await Promise.all([running, once(client, 'drain')]);
    expect(client.readyForQuery).to.be.true;
  });

  it('is not ready yet when a failed query is answered', async () => {
    const drained = once(client, 'drain');
    const ready = await new Promise((resolve) => {
      plain.query('select 1/0', (error) => resolve(error ? client.readyForQuery : 'no error'));
    });
    expect(ready).to.be.false;
    await drained;
    expect(client.readyForQuery).to.be.true;
  });

  it('has what runs in `_activeQuery`, with its `callback`', async () => {
    const running = new Promise((resolve) => plain.query('select pg_sleep(0.05)', resolve));
    const active = client._activeQuery;
    expect(active).to.have.property('text', 'select pg_sleep(0.05)');
    expect(active?.callback).to.be.a('function');
    expect(client._queryQueue).to.deep.equal([]);
    await running;
    expect(client._activeQuery ?? undefined).to.be.undefined;
  });

  it('says by `_ended` that it has ended, and by `_queryable` that it accepts no query', async () => {
    expect(client).to.include({ _ended: false, _queryable: true });
    const ended = new Promise((resolve) => client.once('end', resolve));
    await stage.database.terminate(client.processID as number);
    await ended;
    expect(client).to.include({ _ended: true, _queryable: false });
  });

  it('gives the transaction status in getTransactionStatus()', async () => {
    const seen = [];
    for (const sql of ['select 1', 'begin', 'select 1/0', 'rollback']) {
      await outcome(plain.query(sql));
      if (!client.readyForQuery) await once(client, 'drain');
      seen.push(client.getTransactionStatus?.());
    }
    expect(seen).to.deep.equal(['I', 'T', 'E', 'I']);
  });

  it('has its wire in `connection`: the socket in `stream`, and the named statements in `parsedStatements`', async () => {
    const { connection } = client;
    expect(connection.stream).to.have.property('destroy').that.is.a('function');
    await plain.query({ name: 'named', text: 'select 1' });
    expect(connection.parsedStatements).to.deep.equal({ named: 'select 1' });
    connection.parsedStatements = {};
    await plain.query('deallocate named');
    await plain.query({ name: 'named', text: 'select 1' });
  });

  it('makes cancel requests by `cancel(processID, secretKey)` of a wire of its own', () => {
    const WireClass = client.connection.constructor as { prototype: Record<string, unknown> };
    for (const name of ['connect', 'requestSsl', 'cancel']) expect(WireClass.prototype[name], name).to.be.a('function');
  });

  it('hands a submittable to the wire as it is, and reports errors by its handleError()', async () => {
    const query = new Query('select 1/0') as unknown as { handleError(error: Error, wire: unknown): void };
    const heard: unknown[] = [];
    query.handleError = (error, wire) => heard.push(error, wire);
    expect(plain.query(query as never)).to.equal(query);
    await once(client, 'drain');
    expect(heard[0]).to.include({ code: '22012' });
    expect(heard[1]).to.equal(client.connection);
  });

  it('drops the socket at once where end() is called while a query runs: hence the cancel before', async () => {
    const query = failure(plain.query('select pg_sleep(30)'));
    const [pid] = await stage.running('pg_sleep');
    await plain.end();
    await query;
    expect(await stage.running('pg_sleep')).to.deep.equal([pid]);
    await stage.database.terminate(pid!);
  });
});
