// A block ends when everything that was started in it has: also what its callback did not wait for.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { TransactionFailedError } from '../../lib';
import { type Db, later, rejection, useStage } from './stage';

describe('a block with queries that were not awaited', () => {
  const stage = useStage();
  let made: Db | undefined;
  const ambient = () => (made ??= stage.make({ ambient: true }));
  afterEach(() => {
    made = undefined;
  });

  it('waits for them before COMMIT', async () => {
    await stage.db.atomic((trx) => {
      void later(trx.raw('select pg_sleep(0.05)'));
      void later(trx.raw('insert into t values (1)'));
    });
    expect(stage.sql).to.deep.equal(['BEGIN;', 'select pg_sleep(0.05)', 'insert into t values (1)', 'COMMIT;']);
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('fails when one of them fails', async () => {
    let query: Promise<unknown> | undefined;
    const error = await rejection(
      stage.db.atomic((trx) => {
        void later(trx.raw('insert into t values (1)'));
        query = later(trx.raw('select 1/0'));
        return 'value';
      }),
    );
    expect([error.code, error.cause?.code]).to.include('22012');
    expect(await rejection(query!)).to.include({ code: '22012' });
    expect(await stage.ids()).to.deep.equal([]);
  });

  it('fails when one of them fails before it is sent', async () => {
    const undefinedBinding = { id: undefined } as never;
    for (const run of [
      () => stage.db.atomic((trx) => void later(trx('t').where(undefinedBinding).select())),
      () => ambient().atomic(() => void later(ambient()('t').where(undefinedBinding).select())),
    ]) {
      const error = await rejection(run());
      expect(error.cause?.message).to.match(/Undefined binding/);
    }
  });

  it('does not fail in a sandbox with a query of the instance, as outside of one', async () => {
    const asked: Promise<unknown>[] = [];
    const block = () => stage.db.atomic(() => void asked.push(later(stage.db.raw('select 1/0'))));
    await block();
    await stage.db.sandbox(block);
    for (const each of asked) expect(await rejection(each)).to.include({ code: '22012' });
  });

  it('does not fail with a query on a connection of the user’s own', async () => {
    const db = ambient();
    const raw = await stage.db.client.acquireRawConnection();
    const query = await db.atomic(() => [later(db.raw('select 1/0').connection(raw))]);
    expect(await rejection(query[0]!)).to.include({ code: '22012' });
    await stage.db.client.destroyRawConnection(raw);
  });

  it('fails when a plain transaction inside fails', async () => {
    const mine = new Error('mine');
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        void later(trx.transaction(() => Promise.reject(mine)));
      }),
    );
    expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED', cause: mine });
    expect(await stage.ids()).to.deep.equal([]);
  });

  it('does not fail when a plain transaction inside is rolled back by hand', async () => {
    await stage.db.atomic(async (trx) => {
      await trx('t').insert({ id: 1 });
      void later(trx.transaction((inner) => inner.rollback()));
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('waits for those that start others', async () => {
    await stage.db.atomic((trx) => {
      void later(trx.raw('select 1').then(() => trx.raw('insert into t values (1)')));
    });
    expect(stage.sql).to.deep.equal(['BEGIN;', 'select 1', 'insert into t values (1)', 'COMMIT;']);
  });

  it('waits for inner blocks, with their queries', async () => {
    await stage.db.atomic((trx) => {
      void later(
        trx.atomic(async (nested) => {
          await nested.raw('insert into t values (1)');
          void later(nested.raw('insert into t values (2)'));
        }),
      );
    });
    expect(stage.sql).to.deep.equal([
      'BEGIN;',
      'SAVEPOINT s1;',
      'insert into t values (1)',
      'insert into t values (2)',
      'RELEASE SAVEPOINT s1;',
      'COMMIT;',
    ]);
  });

  describe('in a batch insert', () => {
    const forms: Record<string, (work: (trx: Knex.Transaction) => void) => Promise<unknown>> = {
      'a block': (work) => stage.db.atomic(work),
      'an inner block': (work) => stage.db.atomic((trx) => trx.atomic(work)),
      'a joined block': (work) => stage.db.atomic((trx) => trx.atomic(work, { savepoint: false })),
      'a block in a sandbox': (work) => stage.db.sandbox(() => stage.db.atomic(work)),
    };
    for (const [what, run] of Object.entries(forms)) {
      it(`waits for it in ${what}`, async () => {
        let result: Promise<unknown> | undefined;
        await run((trx) => void (result = trx.batchInsert('t', [{ id: 1 }, { id: 2 }], 1).returning('id')));
        expect(await result).to.deep.equal([{ id: 1 }, { id: 2 }]);
        if (!what.includes('sandbox')) expect(await stage.ids()).to.deep.equal([1, 2]);
      });

      it(`fails when it fails that nobody listens to, in ${what}`, async () => {
        const error = await rejection(run((trx) => void trx.batchInsert('t', [{ id: 1 }, { id: 1 }])));
        expect(error).to.be.instanceOf(TransactionFailedError);
        expect(error.cause).to.include({ code: '23505' });
        expect(await stage.ids()).to.deep.equal([]);
      });
    }

    it('waits for one of the instance, and fails with it, in an ambient block', async () => {
      const db = ambient();
      await db.atomic(() => void db.batchInsert('t', [{ id: 1 }, { id: 2 }], 1));
      expect(await stage.ids()).to.deep.equal([1, 2]);
      const error = await rejection(db.atomic(() => void db.batchInsert('t', [{ id: 3 }, { id: 3 }])));
      expect(error).to.be.instanceOf(TransactionFailedError);
      expect(error.cause).to.include({ code: '23505' });
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });

    it('does not fail when it fails where the callback handles that', async () => {
      await stage.db.atomic(async (trx) => {
        await trx.batchInsert('t', [{ id: 1 }, { id: 1 }]).catch(() => {});
        await trx.batchInsert('t', [{ id: 2 }]);
      });
      expect(await stage.ids()).to.deep.equal([2]);
    });

    it('uses the transaction that it is given', async () => {
      const other = await stage.db.transaction();
      await stage.db.atomic((trx) => trx.batchInsert('t', [{ id: 1 }]).transacting(other));
      await other.rollback();
      expect(await stage.ids()).to.deep.equal([]);
    });
  });

  it('waits for plain transactions inside', async () => {
    await stage.db.atomic((trx) => {
      void later(trx.transaction((nested) => nested.raw('insert into t values (1)')));
    });
    expect(await stage.ids()).to.deep.equal([1]);
    expect(stage.sql.at(-1)).to.equal('COMMIT;');
  });

  it('waits for those that a beforeCommit hook starts', async () => {
    await stage.db.atomic((trx) => {
      trx.beforeCommit(() => void later(trx.raw('insert into t values (1)')));
    });
    expect(stage.sql).to.deep.equal(['BEGIN;', 'insert into t values (1)', 'COMMIT;']);
  });

  it('waits for a stream', async () => {
    const rows: unknown[] = [];
    await stage.db.atomic((trx) => {
      void later(
        trx('pg_class')
          .select('oid')
          .limit(3)
          .stream((stream) => stream.on('data', (row) => rows.push(row))),
      );
    });
    expect(rows).to.have.lengthOf(3);
  });

  it('does not wait for builders that were never sent', async () => {
    await stage.db.atomic((trx) => {
      void trx('t').insert({ id: 1 });
    });
    expect(stage.sql).to.deep.equal(['BEGIN;', 'COMMIT;']);
  });
});

describe('a block with concurrent queries', () => {
  const stage = useStage();

  it('sends them one after the other, without a warning', async () => {
    const results = await stage.db.atomic((trx) =>
      Promise.all([1, 2, 3].map((id) => trx.raw(`insert into t values (${id}) returning id`))),
    );
    expect(results.map(({ rows }) => rows[0].id)).to.deep.equal([1, 2, 3]);
    expect(stage.sql).to.have.lengthOf(5);
  });

  it('does so in a plain transaction as well', async () => {
    await stage.db.transaction((trx) =>
      Promise.all([1, 2, 3].map((id) => trx.raw(`insert into t values (${id}) returning id`))),
    );
    expect(await stage.ids()).to.deep.equal([1, 2, 3]);
  });

  it('fails with the first failure, and the other queries are refused', async () => {
    const error = await rejection(
      stage.db.atomic((trx) =>
        Promise.all([trx.raw('insert into t values (1)'), trx.raw('select 1/0'), trx.raw('insert into t values (3)')]),
      ),
    );
    expect(error).to.include({ code: '22012' });
    expect(await stage.ids()).to.deep.equal([]);
    await stage.idle();
  });

  it('does not mix up inner blocks with the outer one’s own queries', async () => {
    await stage.db.atomic((trx) =>
      Promise.all([
        trx.raw('insert into t values (1)'),
        trx.atomic((nested) => nested.raw('insert into t values (2)')),
        trx.atomic((nested) => nested.raw('insert into t values (3)')),
      ]),
    );
    expect(await stage.ids()).to.deep.equal([1, 2, 3]);
  });
});
