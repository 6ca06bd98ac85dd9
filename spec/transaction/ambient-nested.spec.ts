// `ambient: true`: transactions and hooks of the instance inside a block.
import { expect } from 'chai';
import { atomic, DurableError, TransactionFailedError } from '../../lib';
import { type Db, rejection, useStage } from './stage';

const insert = async (db: { raw: Db['raw'] }, id: number) => {
  await db.raw(`insert into t values (${id})`);
};
const mine = new Error('mine');
const fail = () => {
  throw mine;
};

describe('an ambient instance', () => {
  // One connection: whatever ran beside a block would wait for its end in vain.
  const stage = useStage({ ambient: true }, { pool: { min: 0, max: 1 }, acquireConnectionTimeout: 1000 });

  describe('with transactions inside a block', () => {
    for (const [kind, begin] of [
      ['db.atomic()', (db: Db, work: () => Promise<unknown>) => db.atomic(work)],
      ['db.transaction()', (db: Db, work: () => Promise<unknown>) => db.transaction(work)],
    ] as const) {
      it(`makes ${kind} a savepoint, whose failure undoes only its own work`, async () => {
        await stage.db.atomic(async () => {
          await insert(stage.db, 1);
          const inner = begin(stage.db, async () => {
            await insert(stage.db, 2);
            fail();
          });
          expect(await rejection(inner)).to.equal(mine);
          await begin(stage.db, () => insert(stage.db, 3));
          await insert(stage.db, 4);
        });
        expect(await stage.ids()).to.deep.equal([1, 3, 4]);
        expect(stage.sql.filter((sql) => /^(BEGIN|COMMIT|SAVEPOINT)/.test(sql))).to.deep.equal([
          'BEGIN;',
          'SAVEPOINT s1;',
          'SAVEPOINT s2;',
          'COMMIT;',
        ]);
      });

      it(`runs siblings of ${kind} one after the other`, async () => {
        await stage.db.atomic(async () => {
          const results = await Promise.allSettled([1, 1, 3].map((id) => begin(stage.db, () => insert(stage.db, id))));
          expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
        });
        expect(await stage.ids()).to.deep.equal([1, 3]);
      });
    }

    it('makes a transaction by handle a savepoint', async () => {
      await stage.db.atomic(async () => {
        const undone = await stage.db.transaction();
        await insert(undone, 1);
        await undone.rollback();
        const done = await stage.db.transactionProvider()();
        await insert(done, 2);
        await done.commit();
      });
      expect(await stage.ids()).to.deep.equal([2]);
    });

    it('joins with savepoint: false', async () => {
      const error = await rejection(
        stage.db.atomic(async () => {
          await stage.db.atomic(fail, { savepoint: false }).catch(() => {});
        }),
      );
      expect(error).to.be.instanceOf(TransactionFailedError);
      expect(error.cause).to.equal(mine);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'ROLLBACK']);
    });

    it('runs in the transaction what is asked in a block that joins a handle, also a builder that it returns', async () => {
      const trx = await stage.db.transaction();
      await atomic(trx, () => insert(stage.db, 1), { savepoint: false });
      await atomic(trx, () => stage.db('t').insert({ id: 2 }) as unknown as Promise<void>, { savepoint: false });
      await trx.rollback();
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('runs in the block what is asked in one that joins it from outside', async () => {
      const block = stage.db.atomic(async (trx) => {
        await stage.db.outside(() => trx.atomic(() => insert(stage.db, 1), { savepoint: false }));
        fail();
      });
      expect(await rejection(block)).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('refuses options of outermost blocks', async () => {
      await stage.db.atomic(async () => {
        for (const options of [{ retry: 2 }, { verifyCommit: true }, { isolationLevel: 'serializable' }] as const) {
          expect(await rejection(stage.db.atomic(() => {}, options))).to.be.instanceOf(TypeError);
        }
        expect(await rejection(stage.db.atomic(() => {}, { durable: true }))).to.be.instanceOf(DurableError);
      });
      expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;']);
    });
  });

  describe('in hooks', () => {
    it('runs queries of afterBegin and beforeCommit hooks in the transaction', async () => {
      const hooks = { afterBegin: () => insert(stage.db, 1), beforeCommit: () => insert(stage.db, 3) };
      await stage.db.atomic(
        async (trx) => {
          trx.beforeCommit(() => stage.db.atomic(() => insert(stage.db, 4)));
          await insert(stage.db, 2);
        },
        { hooks },
      );
      expect(stage.sql).to.deep.equal([
        'BEGIN;',
        'insert into t values (1)',
        'insert into t values (2)',
        'insert into t values (3)',
        'SAVEPOINT s1;',
        'insert into t values (4)',
        'RELEASE SAVEPOINT s1;',
        'COMMIT;',
      ]);
    });

    it('undoes the work of a beforeCommit hook when COMMIT fails', async () => {
      const failing = stage.db.atomic(
        async (trx) => {
          await trx.raw('insert into u values (1), (1)');
        },
        { hooks: { beforeCommit: () => insert(stage.db, 1) } },
      );
      expect(await rejection(failing)).to.include({ code: '23505' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('runs queries of afterCommit and afterRollback hooks outside the transaction', async () => {
      const hooks = { afterCommit: () => insert(stage.db, 2), afterRollback: () => insert(stage.db, 3) };
      await stage.db.atomic(() => stage.db.atomic(() => insert(stage.db, 1)), { hooks });
      await rejection(stage.db.atomic(fail, { hooks }));
      expect(await stage.ids()).to.deep.equal([1, 2, 3]);
    });

    it('runs queries of an inner block’s afterRollback hook in the outer block', async () => {
      await rejection(
        stage.db.atomic(async () => {
          const hooks = { afterRollback: () => insert(stage.db, 1) };
          await stage.db.atomic(fail, { hooks }).catch(() => {});
          const { rows } = await stage.db.raw<{ rows: unknown[] }>('select id from t');
          expect(rows).to.deep.equal([{ id: 1 }]);
          fail();
        }),
      );
      expect(await stage.ids()).to.deep.equal([]);
    });
  });
});
