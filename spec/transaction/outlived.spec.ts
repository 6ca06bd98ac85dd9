// What was begun inside a transaction and ends after it: it leaves the connection alone, which may be somebody else’s by then.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { never, outcome } from '../support/outcome';
import { later, rejection, useStage } from './stage';

const mine = new Error('mine');

describe('inner transactions', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  describe('an inner transaction that outlives its outer one', () => {
    it('leaves the next borrower of the connection alone when it throws', async () => {
      const block = stage.db.atomic(async (trx) => {
        void later(trx.atomic(() => sleep(100).then(() => Promise.reject(new Error('inner')))));
        await sleep(20);
        throw mine;
      });
      expect(await rejection(block)).to.equal(mine);
      await stage.db.raw('select pg_sleep(0.3)');
    });

    it('leaves the next borrower of the connection alone when it is ended by its handle', async () => {
      const { handle } = await stage.db.transaction(async (trx) => ({ handle: await trx.transaction() }));
      const query = outcome(stage.db.raw('select pg_sleep(0.3)'));
      await stage.running(/pg_sleep/);
      await handle.rollback();
      expect((await query).error).to.equal(undefined);
    });

    it('leaves the next borrower of the connection alone when its time is over', async () => {
      const block = stage.db.atomic(async (trx) => {
        void later(trx.atomic(() => never(), { timeoutMillis: 100 }));
        await sleep(20);
        throw mine;
      });
      expect(await rejection(block)).to.equal(mine);
      await stage.db.raw('select pg_sleep(0.3)');
    });
  });
});
