// A transaction that ends while a stream in it is half read: nobody waits for the reader, who may never go on.
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { TransactionTimeoutError } from '../../lib';
import { millisOf, never, type Outcome, outcome } from '../support/outcome';
import { type Db, pidOf, rejection, useStage } from './stage';

/** Far more than fits into the buffers on the way. */
const ROWS = `select n, repeat('x', 100) from generate_series(1, 500000) n`;

describe('a transaction whose stream is half read', () => {
  // Waiting for the reader would take all of timeoutMillis.
  const stage = useStage({ timeoutMillis: 3000 }, { pool: { max: 1 } });
  let stream: Readable;
  const mine = new Error('mine');

  /** Starts to read, stops, and goes on with the callback. */
  async function readHalf(trx: Knex.Transaction): Promise<void> {
    stream = trx.raw(ROWS).stream();
    stream.on('error', () => {});
    await new Promise((resolve) => void stream.once('readable', resolve));
    stream.read();
  }

  async function readAndThrow(trx: Knex.Transaction): Promise<never> {
    await readHalf(trx);
    throw mine;
  }

  async function readAndHang(trx: Knex.Transaction): Promise<never> {
    await readHalf(trx);
    return never();
  }

  const ends: [by: string, expected: unknown, run: (db: Db) => PromiseLike<unknown>][] = [
    ['an error of its block', mine, (db) => db.atomic(readAndThrow)],
    ['an error of its callback', mine, (db) => db.transaction(readAndThrow)],
    ['an error of an inner block', mine, (db) => db.atomic((trx) => trx.atomic(readAndThrow))],
    ['timeoutMillis', TransactionTimeoutError, (db) => db.atomic(readAndHang, { timeoutMillis: 200 })],
    [
      'its signal',
      mine,
      (db) => {
        const control = new AbortController();
        const block = async (trx: Knex.Transaction) => {
          await readHalf(trx);
          control.abort(mine);
          return never();
        };
        return db.atomic(block, { signal: control.signal });
      },
    ],
    [
      'rollback() by hand',
      mine,
      async (db) => {
        const trx = await db.transaction();
        await readHalf(trx);
        await trx.rollback(mine);
        return trx.executionPromise;
      },
    ],
  ];

  for (const [by, expected, run] of ends) {
    it(`is rolled back by ${by} at once, and keeps its connection`, async () => {
      const pid = await pidOf(stage.db);
      let end: Outcome<unknown> | undefined;
      const took = await millisOf(outcome(run(stage.db)).then((result) => (end = result)));
      expect(took).to.be.below(2500); // knex waits for 5 s
      if (expected === mine) expect(end!.error).to.equal(mine);
      else expect(end!.error).to.be.instanceOf(expected);
      expect(stage.sql.at(-1)).to.match(/^ROLLBACK/);
      expect(await pidOf(stage.db)).to.equal(pid);
      expect(stage.db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
    });
  }

  it('ends its reader with an error', async () => {
    let told: unknown;
    await rejection(
      stage.db.atomic(async (trx) => {
        await readHalf(trx);
        stream.on('error', (error) => {
          told = error;
        });
        throw mine;
      }),
    );
    expect(told)
      .to.be.an('error')
      .with.property('message')
      .that.matches(/rolled back while it was read/);
  });
});
