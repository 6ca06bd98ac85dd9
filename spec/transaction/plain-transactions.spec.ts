// `atomic()` in transactions of an instance that was never made resettable, as the knex command line gives them to migrations.
import { expect } from 'chai';
import { atomic } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { type Db, rejection, useStage } from './stage';

const insert = async (db: { raw: Db['raw'] }, id: number) => {
  await db.raw(`insert into t values (${id})`);
};
const mine = new Error('mine');

describe('plain transactions', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  describe('atomic() in a plain transaction', () => {
    it('may be called twice at a time', async () => {
      const plain = makeKnex(stage.database.connection);
      await plain.transaction((trx) => Promise.all([1, 2].map((id) => atomic(trx, (inner) => insert(inner, id)))));
      await plain.destroy();
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });

    it('is waited for where it was not awaited, and fails the transaction with it', async () => {
      const plain = makeKnex(stage.database.connection);
      await plain.transaction(async (trx) => {
        await insert(trx, 1);
        void atomic(trx, (inner) => insert(inner, 2));
      });
      const failing = plain.transaction(async (trx) => {
        await insert(trx, 3);
        void atomic(trx, () => Promise.reject(mine));
      });
      expect(await rejection(failing)).to.include({ code: 'ERR_TRANSACTION_FAILED', cause: mine });
      await plain.destroy();
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });

    it('runs afterCommit hooks only after the outermost COMMIT, also those of a savepoint', async () => {
      const plain = makeKnex(stage.database.connection);
      const log: string[] = [];
      const failing = plain.transaction(async (trx) => {
        await trx.transaction((savepoint) =>
          atomic(savepoint, async (inner) => {
            await insert(inner, 1);
            inner.afterCommit(() => void log.push('afterCommit'));
          }),
        );
        throw mine;
      });
      expect(await rejection(failing)).to.equal(mine);
      await plain.destroy();
      expect(await stage.ids()).to.deep.equal([]);
      expect(log).to.deep.equal([]);
    });
  });

  it('atomic(copy, …) has the parameters of the copy', async () => {
    const copy = stage.db.withUserParams({ tenant: 1 });
    expect(await atomic(copy, (trx) => trx.userParams)).to.deep.equal({ tenant: 1 });
  });
});
