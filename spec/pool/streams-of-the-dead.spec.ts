// A stream whose backend is killed: whoever reads it is told, in whatever way he reads, and its connection makes room.
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

/** Slow enough to be killed in the middle. */
const ROWS = 'select n, pg_sleep(0.001) from generate_series(1, 100000) n';

const nowhere = () => new Writable({ objectMode: true, write: (_row, _encoding, done) => done() });

/** Reads a stream to its end; rejects where the reader is told of an error. */
const READERS: [how: string, read: (db: Knex) => Promise<unknown>][] = [
  [
    'for await',
    async (db) => {
      for await (const row of db.raw(ROWS).stream()) void row;
    },
  ],
  ["an 'error' listener", (db) => toldBy(db.raw(ROWS).stream().resume())],
  [
    "an 'error' listener, having stopped to read",
    (db) => {
      const stream = db.raw(ROWS).stream({ highWaterMark: 1 });
      stream.once('readable', () => void stream.read());
      return toldBy(stream);
    },
  ],
  ['pipeline()', (db) => pipeline(db.raw(ROWS).stream(), nowhere())],
  [
    'pipe() of a builder',
    (db) => toldBy(db.select(db.raw('n, pg_sleep(0.001) from generate_series(1, 100000) n')).stream().resume()),
  ],
  [
    'the function that it was handed to',
    (db) =>
      new Promise((_, reject) => {
        db.raw(ROWS)
          .stream((stream) => void stream.on('error', reject).resume())
          .then(
            () => {},
            () => {},
          );
      }),
  ],
];

function toldBy(stream: NodeJS.ReadableStream): Promise<never> {
  return new Promise((_, reject) => void stream.once('error', reject));
}

const PLACES: [where: string, run: (db: ResettableKnex, work: (db: Knex) => Promise<unknown>) => Promise<unknown>][] = [
  ['outside of a transaction', (db, work) => work(db)],
  ['in a transaction', (db, work) => db.transaction(work)],
  ['in a block', (db, work) => db.atomic(work)],
];

describe('a stream whose backend is killed', () => {
  const stage = useStage();

  for (const [where, run] of PLACES) {
    describe(where, () => {
      for (const [how, read] of READERS) {
        it(`rejects ${how} with the server’s own error`, async () => {
          // A fetch sent to a server that is gone breaks a socket, and what it said last is lost: the proxy takes it.
          const db = stage.resettable({ through: await stage.proxy(), pool: { max: 1 } });
          const reading = watch(run(db, read));
          const [pid] = await stage.running('generate_series');
          await stage.database.terminate(pid!);
          await until('the reader is told', () => reading.state !== 'pending');
          expect(reading.error).to.include({ code: '57P01' });
          await until('its connection is gone', () => db.connectionState().connections.inUse === 0);
          expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
          expect(db.connectionState().connections).to.include({ idle: 1, inUse: 0, waiting: 0 });
        });
      }
    });
  }

  it('ends a query that waits behind it in the transaction', async () => {
    const db = stage.resettable({ through: await stage.proxy(), pool: { max: 1 } });
    const trx = await db.transaction();
    const told = failure(toldBy(trx.raw(ROWS).stream().resume()));
    const [pid] = await stage.running('generate_series');
    const behind = failure(trx.raw('select 1'));
    const over = failure(trx.executionPromise);
    await stage.database.terminate(pid!);
    for (const error of [await told, await behind, await over]) expect(error).to.include({ code: '57P01' });
  });
});
