// The app under test stays as it is: whatever it does through the instance works in a sandbox, and is undone at its end.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, ids, pidOf, KINDS, useTables } from './stage';

class Migrations {
  getMigrations = async () => ['1_make', '2_fill'];
  getMigrationName = (name: string) => name;
  getMigration = async (name: string): Promise<Knex.Migration & { config?: object }> =>
    name === '1_make'
      ? {
          up: (trx) => trx.schema.createTable('made', (table) => table.integer('id')),
          down: (trx) => trx.schema.dropTable('made'),
        }
      : {
          up: (trx) => trx('made').insert({ id: 1 }),
          down: (trx) => trx('made').delete(),
          config: { transaction: false },
        };
}

for (const [kind, run] of KINDS) {
  describe(`${kind}: code under test`, () => {
    const stage = useTables();
    let db: ResettableKnex;

    beforeEach(() => {
      db = stage.resettable();
    });
    afterEach(() => expectUntouched(stage, db));

    const idsInside = async () => (await db('t').pluck('id').orderBy('id')) as number[];

    it('resolves with the value of the body, and its rows are visible to nobody else', async () => {
      const value = await run(db, async () => {
        await db('t').insert({ id: 1 });
        expect(await ids(stage)).to.deep.equal([]);
        return idsInside();
      });
      expect(value).to.deep.equal([1]);
      expect(await db('t')).to.deep.equal([]);
    });

    it('accepts a builder as the promise of the body', async () => {
      await run(db, () => db('t').insert({ id: 1 }) as never);
    });

    it('uses one connection', async () => {
      await run(db, async () => {
        const pids = [
          await pidOf(db),
          await db.transaction((trx) => pidOf(trx as never)),
          await pidOf(db.withUserParams({}) as never),
        ];
        expect(new Set(pids)).to.have.property('size', 1);
      });
    });

    it('commits transactions into the sandbox, and rolls back those that fail', async () => {
      await run(db, async () => {
        await db.transaction((trx) => trx('t').insert({ id: 1 }));
        const thrown = new Error('no');
        expect(
          await failure(
            db.transaction(async (trx) => {
              await trx('t').insert({ id: 2 });
              throw thrown;
            }),
          ),
        ).to.equal(thrown);
        const byHand = await db.transaction();
        await byHand('t').insert({ id: 3 });
        await byHand.commit();
        const undone = await db.transaction();
        await undone('t').insert({ id: 4 });
        await undone.rollback();
        expect(await idsInside()).to.deep.equal([1, 3]);
      });
    });

    it('runs the hooks of blocks as in outermost ones', async () => {
      const heard: string[] = [];
      await run(db, async () => {
        await db.atomic(
          async (trx) => {
            trx.afterCommit(({ depth }) => void heard.push(`registered ${depth}`));
            await trx.atomic((inner) => inner.afterCommit(() => void heard.push('inner')));
          },
          {
            hooks: {
              afterBegin: ({ depth }) => void heard.push(`begin ${depth}`),
              beforeCommit: () => void heard.push('before'),
              afterCommit: () => void heard.push('commit'),
            },
          },
        );
        heard.push('done');
        await failure(
          db.atomic(
            () => {
              throw new Error('no');
            },
            { hooks: { afterRollback: ({ error }) => void heard.push(`rollback: ${(error as Error).message}`) } },
          ),
        );
      });
      expect(heard).to.deep.equal(['begin 1', 'before', 'commit', 'registered 1', 'inner', 'done', 'rollback: no']);
    });

    it('lets an afterCommit hook run queries', async () => {
      await run(db, async () => {
        await db.atomic((trx) => {
          trx.afterCommit(() => db('t').insert({ id: 1 }));
        });
        expect(await idsInside()).to.deep.equal([1]);
      });
    });

    it('allows durable blocks, isolation levels and read-only ones', async () => {
      await run(db, async () => {
        await db.atomic((trx) => trx('t').insert({ id: 1 }), { durable: true, isolationLevel: 'serializable' });
        await db.transaction((trx) => trx('t').insert({ id: 2 }), { isolationLevel: 'repeatable read' });
        expect(await db.atomic((trx) => trx('t'), { readOnly: true, deferrable: true })).to.have.lengthOf(2);
        expect(await db.atomic(() => 'verified', { verifyCommit: true, durable: true })).to.equal('verified');
      });
    });

    it('retries blocks', async () => {
      await run(db, async () => {
        const attempts: number[] = [];
        const conflict = Object.assign(new Error('conflict'), { code: '40001' });
        const value = await db.atomic(
          async (trx) => {
            attempts.push(trx.attempt);
            await trx('t').insert({ id: 1 });
            if (trx.attempt < 3) throw conflict;
            return 'value';
          },
          { retry: { attempts: 3, minDelayMillis: 0, maxDelayMillis: 1 } },
        );
        expect([value, attempts]).to.deep.equal(['value', [1, 2, 3]]);
        expect(await idsInside()).to.deep.equal([1]);
      });
    });

    it('streams, with other queries between the rows', async () => {
      await run(db, async () => {
        await db('t').insert([1, 2, 3].map((id) => ({ id })));
        for await (const { id } of db('t').orderBy('id').stream() as AsyncIterable<{ id: number }>) {
          await db('t').insert({ id: id + 10 });
          await db.transaction((trx) => trx('t').insert({ id: id + 20 }));
        }
        await db.transaction(async (trx) => {
          for await (const { id } of trx('t').where('id', '>', 20).stream() as AsyncIterable<{ id: number }>)
            await trx('t').insert({ id: id + 10 });
        });
        expect(await idsInside()).to.deep.equal([1, 2, 3, 11, 12, 13, 21, 22, 23, 31, 32, 33]);
      });
    });

    it('ends a stream that is left early, or that fails', async () => {
      await run(db, async () => {
        await db('t').insert([1, 2, 3].map((id) => ({ id })));
        for await (const { id } of db('t').orderBy('id').stream() as AsyncIterable<{ id: number }>) if (id === 2) break;
        const read = async () => {
          for await (const row of db.raw('select 1 / (id - 2) from t').stream()) void row;
        };
        expect(await failure(read())).to.include({ code: '22012' });
        expect(await idsInside()).to.deep.equal([1, 2, 3]);
      });
    });

    it('inserts in batches, by pool, provider and transaction', async () => {
      const rows = (from: number) => [0, 1, 2, 3, 4].map((n) => ({ id: from + n }));
      await run(db, async () => {
        await db.batchInsert('t', rows(0), 2);
        await db.transaction((trx) => trx.batchInsert('t', rows(10), 2));
        const provide = db.transactionProvider();
        const trx = await provide();
        await trx('t').insert(rows(20));
        await trx.commit();
        expect(await idsInside()).to.have.lengthOf(15);
        expect(await failure(db.batchInsert('t', [{ id: 99 }, { id: 0 }], 1))).to.include({ code: '23505' });
        expect(await idsInside()).to.have.lengthOf(15);
      });
    });

    it('runs migrations up and down', async () => {
      const migrationSource = new Migrations();
      await run(db, async () => {
        await db.migrate.latest({ migrationSource });
        expect(await db('made').pluck('id')).to.deep.equal([1]);
        await db.migrate.rollback({ migrationSource });
        await db.migrate.up({ migrationSource });
        expect(await db.schema.hasTable('made')).to.equal(true);
      });
      expect(await db.schema.hasTable('made')).to.equal(false);
      expect(await db.schema.hasTable('knex_migrations')).to.equal(false);
    });

    it('works after a failing statement outside a block', async () => {
      await run(db, async () => {
        await db('t').insert({ id: 1 });
        expect(await failure(db('t').insert({ id: 1 }))).to.include({ code: '23505' });
        expect(await failure(db.raw('select * from nothing'))).to.include({ code: '42P01' });
        await db('t').insert({ id: 2 });
        expect(await idsInside()).to.deep.equal([1, 2]);
      });
    });

    it('works after a failing statement among others', async () => {
      await run(db, async () => {
        const inserts = [1, 1, 2, 2, 3].map((id) => db('t').insert({ id }));
        const outcomes = (await Promise.allSettled(inserts)).map(({ status }) => status);
        expect(outcomes).to.deep.equal(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
        expect(await idsInside()).to.deep.equal([1, 2, 3]);
      });
    });

    it('rejects a transaction that swallowed a failure, as outside a sandbox', async () => {
      await run(db, async () => {
        const swallowing = db.transaction(async (trx) => {
          await failure(trx('t').insert({ id: null }));
        });
        expect(await failure(swallowing)).to.include({ code: 'ERR_TRANSACTION_FAILED' });
        await db('t').insert({ id: 1 });
      });
    });
  });
}
