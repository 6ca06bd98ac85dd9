// What becomes of streams that are being read.
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { failure, nextTurn, watch } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';

const MANY = 'select n from generate_series(1, 1000000) n';

describe('resetConnection()', () => {
  const stage = useStage();

  async function read(rows: AsyncIterable<unknown>, seen: (count: number) => void | Promise<void>): Promise<void> {
    let count = 0;
    for await (const row of rows) {
      void row;
      await seen(++count);
    }
  }

  describe('while a stream is read', () => {
    it('ends it with ResetError', async () => {
      const db = stage.resettable();
      let count = 0;
      const reading = failure(read(db.raw(MANY).stream(), (seen) => void (count = seen)));
      await until('rows have come', () => count > 0);
      const report = await db.resetConnection();
      expect(await reading).to.be.an.instanceof(ResetError);
      expect(count).to.be.below(1_000_000);
      expect(report).to.include({ abortedQueries: 1, closedConnections: 1 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('ends it at once, before the server has answered', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const stream = db.raw('select n, pg_sleep(30) from generate_series(1, 10) n').stream();
      const reading = watch(read(stream, () => {}));
      await stage.running('generate_series');
      proxy.freeze();
      const reset = db.resetConnection();
      await nextTurn();
      expect(reading.error).to.be.an.instanceof(ResetError);
      proxy.thaw();
      expect(await reset).to.include({ forcedConnections: 0 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('ends one whose reader has stopped reading', async () => {
      const db = stage.resettable();
      const stream = db.raw(MANY).stream();
      let wasRead = false;
      const ended = watch(
        new Promise((_, reject) => {
          stream.once('error', reject);
        }),
      );
      stream.once('readable', () => {
        wasRead = stream.read() !== null;
      });
      await until('it was read once', () => wasRead);
      const report = await db.resetConnection();
      expect(ended.error).to.be.an.instanceof(ResetError);
      expect(report.durationMillis).to.be.below(1500);
      expect(report).to.include({ forcedConnections: 0 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('ends one in a transaction, and the transaction', async () => {
      const db = stage.resettable();
      let count = 0;
      const transaction = failure(
        db.transaction((trx) => read(trx.raw(MANY).stream({ highWaterMark: 10 }), (seen) => void (count = seen))),
      );
      await until('rows have come', () => count > 0);
      const report = await db.resetConnection();
      expect(await transaction)
        .to.be.an.instanceof(ResetError)
        .with.property('transaction');
      expect(report.abortedTransactions).to.have.lengthOf(1);
      expect(report.abortedQueries).to.equal(0);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('ends the stream that was handed to a function with the error', async () => {
      const db = stage.resettable();
      let count = 0;
      let heard: unknown;
      const handing = db.raw(MANY).stream((stream) => {
        stream.on('error', (error) => {
          heard = error;
        });
        stream.pipe(new PassThrough({ objectMode: true }).on('data', () => count++));
      });
      const handed = watch(handing);
      await until('rows have come', () => count > 0);
      await db.resetConnection();
      await nextTurn();
      expect(heard).to.be.an.instanceof(ResetError);
      expect(handed.state).not.to.equal('pending');
    });
  });

  describe('after a stream', () => {
    it('runs later streams and queries', async () => {
      const db = stage.resettable();
      let count = 0;
      const reading = failure(read(db.raw(MANY).stream(), (seen) => void (count = seen)));
      await until('rows have come', () => count > 0);
      await db.resetConnection();
      await reading;
      let last = 0;
      await read(db.raw('select n from generate_series(1, 250) n').stream(), (seen) => void (last = seen));
      expect(last).to.equal(250);
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  });
});
