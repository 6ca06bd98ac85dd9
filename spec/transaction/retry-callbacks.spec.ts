// A block that is tried again: no callback of an attempt runs beside the next attempt, wherever in the block it was called.
import { expect } from 'chai';
import type { AtomicTransaction } from '../../lib';
import { never } from '../support/outcome';
import { later, pidOf, rejection, useStage } from './stage';

describe('a block with retry whose connection is lost in a callback inside it', () => {
  const stage = useStage();
  const retry = { attempts: 2, minDelayMillis: 0 };
  const joined = { savepoint: false } as const;

  const PLACES: Record<string, (trx: AtomicTransaction, work: () => Promise<void>) => unknown> = {
    'an inner block': (trx, work) => trx.atomic(work),
    'an inner block of an inner block': (trx, work) => trx.atomic((inner) => inner.atomic(work)),
    'an inner transaction': (trx, work) => trx.transaction(work),
    'a block that joins': (trx, work) => trx.atomic(work, joined),
    'an inner block of one that joins': (trx, work) => trx.atomic((same) => same.atomic(work), joined),
    'an afterBegin hook': (trx, work) => trx.atomic(() => {}, { hooks: { afterBegin: work } }),
    'an inner block that is not awaited': (trx, work) => {
      void later(trx.atomic(work));
      return stage.database.query('select pg_sleep(0.02)');
    },
  };

  for (const [place, run] of Object.entries(PLACES)) {
    it(`waits for it to end before the next attempt: ${place}`, async () => {
      let inside = 0;
      const attempt = await stage.db.atomic(
        async (trx) => {
          expect(inside).to.equal(0);
          const pid = await pidOf(trx);
          await run(trx, async () => {
            inside++;
            if (trx.attempt === 1) {
              await stage.database.terminate(pid);
              await stage.database.query('select pg_sleep(0.05)');
            }
            inside--;
          });
          return trx.attempt;
        },
        { retry, timeoutMillis: 5000 },
      );
      expect(attempt).to.equal(2);
    });
  }

  it('is not tried again where it never ends', async () => {
    const db = stage.make({ timeoutMillis: 100 });
    let calls = 0;
    const block = db.atomic(
      async (trx) => {
        calls++;
        const pid = await pidOf(trx);
        await trx.atomic(() => stage.database.terminate(pid).then(never));
      },
      { retry },
    );
    expect(await rejection(block)).to.include({ code: '57P01' });
    expect(calls).to.equal(1);
  });
});
