// The handlers of a query stream run where the stream was asked: its events come from a socket that others have opened.
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { resettable } from '../../lib';
import { type ResettableKnex, useStage } from '../support/stage';

describe('the handlers of a query stream', () => {
  const stage = useStage();
  let db: ResettableKnex;
  const three = 'select generate_series(1, 3) as id';

  before(() => stage.database.query('create table t (id int)'));
  beforeEach(() => {
    db = stage.resettable({ pool: { min: 0, max: 3 } }, { ambient: true });
  });
  afterEach(() => stage.database.query('truncate t'));

  const pidOf = async () => {
    const { rows } = (await db.raw('select pg_backend_pid() as pid')) as { rows: { pid: number }[] };
    return rows[0]!.pid;
  };
  const insert = async (into: ResettableKnex, row: { id: number }) => {
    await into('t').insert(row);
  };
  const idsNow = async () => (await stage.database.query<{ id: number }>('select id from t')).map(({ id }) => id);

  /** What each handler asks, by the events of a stream, is asked when it is called. */
  async function askedBy(stream: NodeJS.ReadableStream): Promise<number[]> {
    const asked: Promise<number>[] = [];
    for (const event of ['data', 'end', 'close']) stream.on(event, () => void asked.push(pidOf()));
    await once(stream, 'close');
    return Promise.all(asked);
  }

  const STREAMS: Record<string, (trx: Knex.Transaction) => NodeJS.ReadableStream> = {
    'asked of the instance': () => db.raw(three).stream(),
    'asked of the transaction': (trx) => trx.raw(three).stream(),
  };
  for (const [how, ask] of Object.entries(STREAMS)) {
    it(`are in the block that it was asked in (${how})`, async () => {
      await db.atomic(async (trx) => {
        const mine = await pidOf();
        expect(new Set(await askedBy(ask(trx)))).to.deep.equal(new Set([mine]));
      });
    });

    it(`store with the block (${how})`, async () => {
      const failing = db.atomic(async (trx) => {
        const inserted: Promise<unknown>[] = [];
        const write = (row: { id: number }, _: string, done: () => void) => {
          inserted.push(insert(db, row));
          done();
        };
        await pipeline(ask(trx), new Writable({ objectMode: true, write }));
        await Promise.all(inserted);
        expect(inserted).to.have.lengthOf(3);
        throw new Error('no');
      });
      await failing.catch(() => {});
      expect(await idsNow()).to.be.empty;
    });
  }

  it('are outside of a block that has opened its connection', async () => {
    const other = resettable(stage.knex({ pool: { min: 0, max: 1 } }));
    stage.adopt(other);
    await db.atomic(() => other.raw('select 1'));
    const asked: Promise<number>[] = [];
    const stream = other.raw(three).stream();
    stream.on('data', () => void asked.push(pidOf()));
    await once(stream, 'close');
    expect(await Promise.all(asked)).to.have.lengthOf(3);
  });

  it('are in the sandbox that it was asked in', async () => {
    const plain = stage.resettable({ pool: { min: 0, max: 3 } });
    await plain.sandbox(async () => {
      const inserted: Promise<unknown>[] = [];
      const stream = plain.raw(three).stream();
      stream.on('data', (row: { id: number }) => void inserted.push(insert(plain, row)));
      await once(stream, 'close');
      await Promise.all(inserted);
      expect(await plain('t')).to.have.lengthOf(3);
    });
    expect(await idsNow()).to.be.empty;
  });
});
