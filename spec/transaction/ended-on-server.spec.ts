// A statement of the user's, or the server, has ended a transaction: nothing of it is sent any more, and it is no success.
import { finished } from 'node:stream/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { atomic, BlockControlError } from '../../lib';
import { type Db, later, rejection, useStage } from './stage';

const insert = (trx: Knex.Transaction, id: number) => trx.raw(`insert into t values (${id})`);

describe('a transaction that the user’s SQL has ended', () => {
  const stage = useStage();

  for (const sql of ['rollback', 'commit', 'rollback and chain', 'commit; begin', 'rollback; begin']) {
    const stored = sql.startsWith('commit') ? [1] : [];

    for (const [what, run] of [
      ['a block', (work: (trx: Knex.Transaction) => Promise<unknown>) => stage.db.atomic(work)],
      ['a plain transaction', (work: (trx: Knex.Transaction) => Promise<unknown>) => stage.db.transaction(work)],
    ] as const) {
      it(`sends no statement that waits behind "${sql}" in ${what}`, async () => {
        let outcomes: PromiseSettledResult<unknown>[] = [];
        const error = await rejection(
          run(async (trx) => {
            outcomes = await Promise.allSettled([insert(trx, 1), trx.raw(sql), insert(trx, 2), insert(trx, 3)]);
          }),
        );
        expect(error).to.be.instanceOf(BlockControlError);
        expect(error.message).to.include(`"${sql}"`);
        expect(outcomes.map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
        for (const outcome of outcomes.slice(2))
          expect((outcome as PromiseRejectedResult).reason).to.be.instanceOf(BlockControlError);
        expect(await stage.ids()).to.deep.equal(stored);
        await stage.idle();
        expect((await stage.db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      });

      it(`sends no statement that is asked after "${sql}" in ${what}`, async () => {
        let refused: unknown;
        const error = await rejection(
          run(async (trx) => {
            await insert(trx, 1);
            await trx.raw(sql);
            refused = await rejection(insert(trx, 2));
          }),
        );
        expect(refused).to.be.instanceOf(BlockControlError);
        expect(error).to.be.instanceOf(BlockControlError);
        expect(await stage.ids()).to.deep.equal(stored);
      });
    }

    it(`does not retry a block that was ended by "${sql}"`, async () => {
      let runs = 0;
      const block = stage.db.atomic(
        async (trx) => {
          runs++;
          await Promise.allSettled([insert(trx, 1), trx.raw(sql), insert(trx, 2)]);
          throw Object.assign(new Error('conflict'), { code: '40001' });
        },
        { retry: 2 },
      );
      await rejection(block);
      expect(runs).to.equal(1);
      expect(await stage.ids()).to.deep.equal(stored);
    });
  }

  describe('behind a raw COMMIT in a plain transaction', () => {
    const ASKED: Record<string, (db: Db, trx: Knex.Transaction) => PromiseLike<unknown>> = {
      'a query of an ambient instance': (db) => db.raw('insert into t values (2)'),
      'a stream of an ambient instance': (db) => finished(db.raw('insert into t values (2)').stream().resume()),
      'a block of an ambient instance that joins': (db) =>
        db.atomic(() => db.raw('insert into t values (2)'), { savepoint: false }),
      'a batch of an ambient instance': (db) => db.batchInsert('t', [{ id: 2 }]),
      'an inner block': (_, trx) => atomic(trx, (inner) => insert(inner, 2)),
      'an inner transaction': (_, trx) => trx.transaction((inner) => insert(inner, 2)),
    };
    for (const [what, ask] of Object.entries(ASKED)) {
      it(`sends nothing of ${what}`, async () => {
        const db = stage.make({ ambient: true });
        let refused: unknown;
        const error = await rejection(
          db.transaction(async (trx) => {
            await insert(trx, 1);
            await trx.raw('commit');
            refused = await rejection(ask(db, trx));
          }),
        );
        expect(refused).to.be.instanceOf(BlockControlError);
        expect(error).to.be.instanceOf(BlockControlError);
        expect(error.message).to.include('"commit"');
        expect(stage.sql.slice(stage.sql.indexOf('commit'))).to.deep.equal(['commit', 'ROLLBACK']);
        expect(await stage.ids()).to.deep.equal([1]);
      });
    }
  });

  it('is a success when a raw COMMIT was the last statement of a plain transaction', async () => {
    await stage.db.transaction(async (trx) => {
      await insert(trx, 1);
      await trx.raw('commit');
    });
    const trx = await stage.db.transaction();
    await insert(trx, 2);
    await trx.raw('commit');
    await trx.commit();
    expect(await stage.ids()).to.deep.equal([1, 2]);
  });

  for (const [sql, stored] of [
    ['rollback', []],
    ['commit', [1]],
  ] as const) {
    it(`sends nothing by a connection that was taken before a raw ${sql.toUpperCase()}`, async () => {
      for (const what of ['transaction', 'atomic'] as const) {
        const block = stage.db[what](async (trx: Knex.Transaction) => {
          const { client } = trx as unknown as { client: Knex.Client };
          const raw = (await client.acquireConnection()) as { query(sql: string): Promise<unknown> };
          await insert(trx, 1);
          await trx.raw(sql);
          const queries = [
            later(raw.query('insert into t values (2)')),
            stage.db('t').insert({ id: 3 }).connection(raw),
          ];
          for (const query of queries) expect(await rejection(query)).to.be.instanceOf(BlockControlError);
          await client.releaseConnection(raw);
        });
        expect(await rejection(block)).to.be.instanceOf(BlockControlError);
        expect(await stage.ids()).to.deep.equal(stored);
        await stage.database.query('delete from t');
      }
    });

    it(`sends nothing by a connection that is taken after a raw ${sql.toUpperCase()}`, async () => {
      const block = stage.db.transaction(async (trx) => {
        await insert(trx, 1);
        await trx.raw(sql);
        const { client } = trx as unknown as { client: Knex.Client };
        const raw = (await client.acquireConnection()) as { query(sql: string): Promise<unknown> };
        const byHand = later((async () => raw.query('insert into t values (2)'))());
        const byKnex = later(stage.db('t').insert({ id: 3 }).connection(raw));
        for (const query of [byHand, byKnex]) await rejection(query);
        await client.releaseConnection(raw);
      });
      expect(await rejection(block)).to.be.instanceOf(BlockControlError);
      expect(await stage.ids()).to.deep.equal(stored);
    });
  }

  it('is a success when the last script of a plain transaction was ended by COMMIT', async () => {
    await stage.db.transaction((trx) => trx.raw('insert into t values (1); commit'));
    await stage.db.transaction(async (trx) => {
      await trx.raw('insert into t values (2); commit; select 1/0').catch(() => {});
    });
    expect(await stage.ids()).to.deep.equal([1, 2]);
  });

  const NO_COMMITS = [
    'rollback',
    'rollback and chain',
    'rollback and /* to */ chain',
    'rollback; begin',
    'insert into t values (2); rollback',
    'select 1; rollback; select 2',
    'rollback; select 1/0',
    'rollback; insert into t values (2); rollback',
    "prepare transaction 'never'",
  ];
  for (const sql of NO_COMMITS) {
    it(`is no success when "${sql}" was the last statement of a plain transaction`, async () => {
      const trx = await stage.db.transaction();
      await insert(trx, 1);
      await trx.raw(sql).catch(() => {});
      expect(await rejection(trx.commit())).to.be.instanceOf(BlockControlError);
      expect(await rejection(trx.executionPromise)).to.be.instanceOf(BlockControlError);
      expect(await stage.ids()).to.deep.equal([]);
    });
  }

  for (const script of ['commit; begin; select 1/0', 'rollback; begin; select 1/0', 'rollback and chain; select 1/0']) {
    for (const what of ['atomic', 'transaction'] as const) {
      it(`is known to be ended by a script that fails later: "${script}", by ${what}()`, async () => {
        const error = await rejection(
          stage.db[what](async (trx: Knex.Transaction) => {
            await insert(trx, 1);
            expect(await rejection(trx.raw(script))).to.include({ code: '22012' });
          }),
        );
        expect(error).to.be.instanceOf(BlockControlError);
        expect(error.message)
          .to.include(`"${script}"`)
          .and.not.to.match(/rolled .* back/);
        expect(await stage.ids()).to.deep.equal(script.startsWith('commit') ? [1] : []);
      });
    }
  }

  it('is no success when its COMMIT by hand failed', async () => {
    const error = await rejection(
      stage.db.transaction(async (trx) => {
        await trx.raw('insert into u values (1), (1)');
        await trx.raw('commit').catch(() => {});
      }),
    );
    expect(error).to.be.instanceOf(BlockControlError);
    expect(await stage.ids('u')).to.deep.equal([]);
  });

  it('is ended in a block by a ROLLBACK whose chain is behind a comment', async () => {
    const error = await rejection(stage.db.atomic((trx) => trx.raw('rollback and /* to */ chain')));
    expect(error).to.be.instanceOf(BlockControlError);
  });

  it('is not ended by any form of ROLLBACK TO, nor by what is read behind one', async () => {
    await stage.db.atomic(async (trx) => {
      await trx.raw('savepoint a');
      for (const sql of [
        'rollback /* all */ work to savepoint a',
        'ROLLBACK TRANSACTION TO a',
        "select to_jsonb(1) #> array['a']; rollback to a; rollback -- now\n to a",
      ])
        await trx.raw(sql);
      for await (const row of trx.raw('select 1 as one').stream()) expect(row).to.deep.equal({ one: 1 });
      await insert(trx, 1);
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('is not ended by a failing script with a ROLLBACK TO', async () => {
    await stage.db.transaction(async (trx) => {
      await insert(trx, 1);
      await trx.raw('savepoint a');
      expect(await rejection(trx.raw('rollback to a; select 1/0'))).to.include({ code: '22012' });
      await trx.raw('rollback to a');
    });
    expect(await stage.ids()).to.deep.equal([1]);
  });

  it('may be rolled back by hand', async () => {
    const trx = await stage.db.transaction();
    await trx.raw('rollback');
    await trx.rollback();
    expect(trx.isCompleted()).to.be.true;
    await stage.idle();
  });
});
