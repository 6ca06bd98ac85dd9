// A stream that is given up before the server has described its rows: its connection goes on in step.
import { once } from 'node:events';
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { rejection, useStage } from './stage';

describe('a block that is ended right after it has begun to read a stream', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });
  const reason = new Error('no more');

  it('gives later queries their own answers when its reader gives up by itself', async () => {
    stage.proxy.delayMillis = 20;
    await stage.db.transaction(async (trx) => {
      const stream = trx.raw('select i from generate_series(1, 60) i').stream();
      stream.on('error', () => {});
      setTimeout(() => stream.destroy(), 5);
      await once(stream, 'close');
      for (let i = 0; i < 3; i++) {
        const { rows } = await trx.raw<{ rows: { i: number }[] }>(`select ${i} as i`);
        expect(rows[0]?.i).to.equal(i);
      }
    });
  });

  for (const rows of [1, 60, 1000]) {
    for (const millis of [0, 5, 25, 45]) {
      it(`gives the next borrower its own answers (${rows} rows, after ${millis} ms)`, async () => {
        stage.proxy.delayMillis = 20;
        const controller = new AbortController();
        const block = stage.db.atomic(
          async (trx) => {
            const stream = trx.raw(`select i from generate_series(1, ${rows}) i`).stream();
            setTimeout(() => controller.abort(reason), millis);
            const read = [];
            for await (const row of stream) read.push(row);
            await sleep(1000);
          },
          { signal: controller.signal },
        );
        const start = performance.now();
        expect(await rejection(block)).to.equal(reason);
        const answers: unknown[] = [];
        for (let i = 0; i < 5; i++) {
          const { rows: answer } = await stage.db.raw<{ rows: { i: number }[] }>(`select ${i} as i`);
          answers.push(answer?.[0]?.i);
        }
        expect(answers).to.deep.equal([0, 1, 2, 3, 4]);
        // No step has waited for its bound, which is the instance's 600 ms each.
        expect(performance.now() - start).to.be.lessThan(5000);
        expect(stage.transcript.links).to.have.lengthOf(1);
      });
    }
  }
});
