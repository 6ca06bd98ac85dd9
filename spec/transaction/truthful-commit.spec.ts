// A transaction that the server rolled back never resolves, in whatever form it was made.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { TransactionFailedError } from '../../lib';
import { rejection, useStage } from './stage';

describe('a plain transaction', () => {
  const stage = useStage();

  /** A statement that fails, and whose failure nobody looks at. */
  const swallowed = (trx: Knex.Transaction) => trx.raw('select 1/0').catch(() => {});
  const insert = (trx: Knex.Transaction, id: number) => trx('t').insert({ id });

  async function expectFailed(promise: PromiseLike<unknown>): Promise<void> {
    const error = await rejection(promise);
    expect(error).to.be.instanceOf(TransactionFailedError).with.property('code', 'ERR_TRANSACTION_FAILED');
    expect(error.cause).to.include({ code: '22012' });
    expect(await stage.ids()).to.deep.equal([]);
  }

  describe('when all goes well', () => {
    it('resolves with the value and sends what knex sends', async () => {
      const value = {};
      const result = await stage.db.transaction(async (trx) => {
        await trx.raw('insert into t values (1)');
        return value;
      });
      expect(result).to.equal(value);
      expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'COMMIT;']);
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('commits by its handle', async () => {
      const trx = await stage.db.transaction();
      await insert(trx, 1);
      expect(trx.isCompleted()).to.be.false;
      await trx.commit();
      await trx.executionPromise;
      expect(trx.isCompleted()).to.be.true;
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('sends what its callback has asked before commit(), also in one Promise.all()', async () => {
      const run = (...ids: number[]) =>
        stage.db.transaction((trx) => Promise.all([...ids.map((id) => insert(trx, id)), trx.commit('value')]));
      expect(await run(1, 2)).to.equal('value');
      expect(await stage.ids()).to.deep.equal([1, 2]);
      await rejection(run(3, 1));
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });

    it('resolves with what commit() was given also where the callback does not wait for it', async () => {
      const run = stage.db.transaction(async (trx) => {
        await trx.transaction(async (inner) => {
          await insert(inner, 1);
          void inner.commit('inner');
        });
        void trx.commit('value');
      });
      expect(await run).to.equal('value');
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('resolves with what a callback without a promise gives to commit()', async () => {
      const result = await stage.db.transaction((trx) => {
        insert(trx, 1).then(
          () => trx.commit('value'),
          (error: Error) => trx.rollback(error),
        );
      });
      expect(result).to.equal('value');
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  describe('when a statement error was swallowed', () => {
    it('rejects, made with a callback', async () => {
      await expectFailed(
        stage.db.transaction(async (trx) => {
          await insert(trx, 1);
          await swallowed(trx);
          return 'value';
        }),
      );
      expect(stage.sql.at(-1)).to.equal('COMMIT;');
    });

    it('rejects, made with a callback that commits by hand', async () => {
      await expectFailed(
        stage.db.transaction((trx) => {
          swallowed(trx).then(
            () => trx.commit('value'),
            (error: Error) => trx.rollback(error),
          );
        }),
      );
    });

    it('rejects commit() and executionPromise of a handle', async () => {
      const trx = await stage.db.transaction();
      await insert(trx, 1);
      await swallowed(trx);
      const committed = trx.commit();
      await expectFailed(committed);
      await expectFailed(trx.executionPromise);
      expect(trx.isCompleted()).to.be.true;
    });

    it('rejects commit() of a provided handle', async () => {
      const provide = stage.db.transactionProvider();
      const trx = await provide();
      await swallowed(trx);
      await expectFailed(trx.commit());
      await expectFailed(trx.executionPromise);
      expect(await provide()).to.equal(trx);
    });

    it('rejects on a connection that it was told to use, which stays usable', async () => {
      const connection = (await stage.db.client.acquireConnection()) as object;
      await expectFailed(
        stage.db.transaction(swallowed, { connection } as Knex.TransactionConfig).then(() => undefined),
      );
      await stage.db.transaction((trx) => insert(trx, 1), { connection } as Knex.TransactionConfig);
      await stage.db.client.releaseConnection(connection);
      expect(await stage.ids()).to.deep.equal([1]);
      expect(stage.db.connectionState().connections).to.include({ idle: 1, inUse: 0 });
    });

    it('rejects when a schema change failed', async () => {
      await expectFailed(
        stage.db.transaction(async (trx) => {
          await insert(trx, 1);
          await trx.raw('select 1/0').catch(() => {});
          await trx.schema.createTable('never', (table) => table.increments()).catch(() => {});
        }),
      );
    });
  });

  describe('when batchInsert runs', () => {
    const rows = (...ids: number[]) => ids.map((id) => ({ id }));

    it('stores every chunk', async () => {
      await stage.db.batchInsert('t', rows(1, 2, 3), 2);
      expect(await stage.ids()).to.deep.equal([1, 2, 3]);
    });

    it('rejects with the error of the chunk that failed, and stores nothing', async () => {
      const error = await rejection(stage.db.batchInsert('t', rows(1, 2, 2), 2));
      expect(error).to.include({ code: '23505' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('rejects at COMMIT', async () => {
      const error = await rejection(stage.db.batchInsert('u', rows(1, 1), 1));
      expect(error).to.include({ code: '23505' });
      expect(await stage.ids('u')).to.deep.equal([]);
    });
  });

  describe('when COMMIT fails', () => {
    it('rejects with the database’s error, and its connection is as good as before', async () => {
      const [backend] = await stage.database.backends();
      const error = await rejection(stage.db.transaction((trx) => trx('u').insert([{ id: 1 }, { id: 1 }])));
      expect(error).to.include({ code: '23505' });
      const { rows } = await stage.db.raw('select pg_backend_pid() as pid, pg_current_xact_id_if_assigned() as xid');
      expect(rows).to.deep.equal([{ pid: backend?.pid, xid: null }]);
    });

    it('rejects commit() as well', async () => {
      const trx = await stage.db.transaction();
      await trx('u').insert([{ id: 1 }, { id: 1 }]);
      const error = await rejection(trx.commit());
      expect(error).to.include({ code: '23505' });
      expect(await rejection(trx.executionPromise)).to.equal(error);
    });
  });
});
