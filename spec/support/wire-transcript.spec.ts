// Shows that the transcript is what was sent: on one link, on several, and beside them.
import { once } from 'node:events';
import net from 'node:net';
import { expect } from 'chai';
import { Client } from 'pg';
import { freshDatabase, type TestDatabase } from './database';
import { FaultProxy } from './fault-proxy';
import { makeKnex } from './quiet-knex';
import { until } from './until';
import { WireTranscript } from './wire-transcript';

async function sendCancelRequest(port: number, processId: number, secretKey: number): Promise<void> {
  const request = Buffer.alloc(16);
  [16, 80877102, processId, secretKey].forEach((word, index) => request.writeInt32BE(word, index * 4));
  const socket = net.connect({ port, host: '127.0.0.1' }).end(request).resume();
  await once(socket, 'close');
}

describe('WireTranscript', () => {
  let database: TestDatabase;
  let proxy: FaultProxy;
  let transcript: WireTranscript;

  before(async () => {
    database = await freshDatabase();
  });
  after(() => database.drop());

  beforeEach(async () => {
    proxy = await FaultProxy.to(database.connection);
    transcript = new WireTranscript(proxy);
  });
  afterEach(() => proxy.close());

  it('lists what knex sends, the farewell included', async () => {
    const db = makeKnex(proxy.through(database.connection));
    await db.raw('select 0');
    transcript.clear();
    await db.transaction(async (trx) => {
      await trx.raw('select ?::int as "é"', [1]);
    });
    await db.destroy();
    const sql = ['BEGIN;', 'select $1::int as "é"', 'COMMIT;'];
    expect(transcript.sql).to.deep.equal(sql);
    await until('the farewell arrived', () => transcript.links[0]?.terminated);
    expect(transcript.links).to.deep.equal([{ sql, terminated: true }]);
  });

  it('keeps the links apart, and leaves out what was not handed on', async () => {
    const clients = [new Client(proxy.through(database.connection)), new Client(proxy.through(database.connection))];
    const [first, second] = clients as [Client, Client];
    for (const client of clients) await client.connect();
    second.on('error', () => {}); // it is cut below
    await first.query('select 1');
    await second.query('select 2');
    await first.query('select 3');
    proxy.cutBefore('select 4');
    await second.query('select 4').catch(() => {});
    await first.end();
    expect(transcript.sql).to.deep.equal(['select 1', 'select 2', 'select 3']);
    expect(transcript.links.map(({ sql }) => sql)).to.deep.equal([['select 1', 'select 3'], ['select 2']]);
  });

  it('lists cancel requests by their process id', async () => {
    const client = new Client(proxy.through(database.connection));
    await client.connect();
    const [backend] = await database.backends();
    const sleeping = client.query('select pg_sleep(10)').catch((error: unknown) => error);
    await until('the query runs', async () => (await database.backends())[0]?.state === 'active');
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    await sendCancelRequest(proxy.port, processID, secretKey);
    expect(await sleeping).to.include({ code: '57014' });
    expect(transcript.cancelled).to.deep.equal([backend?.pid]);
    await client.end();
  });
});
