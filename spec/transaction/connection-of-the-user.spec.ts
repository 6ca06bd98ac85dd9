// A connection that the user opened: it is watched while a transaction is on it, and what becomes of it afterwards is no concern of the instance.
import { expect } from 'chai';
import type { Client } from 'pg';
import { atomic, TransactionFailedError } from '../../lib';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';

describe('a transaction on a connection that the user opened', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  const closed = (raw: Client) => new Promise<void>((resolve) => void raw.once('end', resolve));
  /** A query of the instance itself: whatever followed a death has begun before it is answered. */
  const settled = (db: { raw(sql: string): PromiseLike<unknown> }) => db.raw('select 1');

  for (const onFatal of ['evict', 'reset'] as const) {
    it(`does not affect the instance when the user closes the connection later, with onFatal: '${onFatal}'`, async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy }, { onFatal });
      await db.raw('select 1');
      const raw = (await db.client.acquireRawConnection()) as Client;
      await db.transaction((trx) => trx.raw('select 1'), { connection: raw } as never);
      const ended = closed(raw);
      await raw.end();
      await ended;
      await settled(db);
      expect(db.connectionState()).to.deep.include({ generation: 0 });
      expect(proxy.accepted, 'one of the pool, one of the user').to.equal(2);
    });
  }

  it('does not affect the instance when the server ends the connection later', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy }, { onFatal: 'reset' });
    const raw = (await db.client.acquireRawConnection()) as Client;
    raw.on('error', () => {});
    const { rows } = await raw.query<{ pid: number }>('select pg_backend_pid() as pid');
    await db.transaction((trx) => trx.raw('select 1'), { connection: raw } as never);
    const ended = closed(raw);
    await stage.database.query(`select pg_terminate_backend(${rows[0]?.pid})`);
    await ended;
    await settled(db);
    expect(db.connectionState()).to.deep.include({ generation: 0 });
    expect(proxy.accepted).to.equal(2);
  });

  it('can be followed by another one on the same connection, which is truthful as well', async () => {
    const db = stage.resettable();
    const raw = (await db.client.acquireRawConnection()) as Client;
    for (const id of [1, 2]) {
      const doomed = db.transaction(
        async (trx) => {
          await trx('t').insert({ id });
          await trx.raw('select 1/0').catch(() => {});
        },
        { connection: raw } as never,
      );
      expect(await failure(doomed)).to.be.an.instanceof(TransactionFailedError);
      expect((await raw.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    }
    await raw.end();
  });

  it('rejects when the connection dies while it is open, and the instance hears of it', async () => {
    const db = stage.resettable({}, { onFatal: 'reset' });
    const raw = (await db.client.acquireRawConnection()) as Client;
    raw.on('error', () => {});
    const { rows } = await raw.query<{ pid: number }>('select pg_backend_pid() as pid');
    const trx = await db.transaction(undefined as never, { connection: raw } as never);
    const told = failure(trx.executionPromise as Promise<unknown>);
    await stage.database.query(`select pg_terminate_backend(${rows[0]?.pid})`);
    expect(await told).to.include({ code: '57P01' });
    await until('the reset has begun', () => db.connectionState().generation === 1);
  });
});

describe('a block in a transaction of an instance that is not resettable', () => {
  const stage = useStage();

  it('leaves nothing behind, and opens no other connection when the instance is destroyed', async () => {
    const proxy = await stage.proxy();
    const plain = stage.knex({ through: proxy });
    await plain.transaction((trx) => atomic(trx, (inner) => inner.raw('select 1')));
    await plain.raw('select 1');
    expect(proxy.accepted).to.equal(1);
    await plain.destroy();
    await until('the server has let go', async () => (await stage.leftOnServer()).backends.length === 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(proxy.accepted).to.equal(1);
  });
});
