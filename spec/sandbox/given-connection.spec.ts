// A transaction on a connection that was taken by hand in a sandbox: it runs in the sandbox, and does not wait for whoever has taken it.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, KINDS, useTables } from './stage';

for (const [kind, run] of KINDS) {
  describe(`${kind}: a transaction on a connection that was taken by hand`, () => {
    const stage = useTables();
    let db: ResettableKnex;

    beforeEach(() => {
      db = stage.resettable({ acquireConnectionTimeout: 2000, pool: { min: 0, max: 1 } });
    });
    afterEach(() => expectUntouched(stage, db));

    const onTaken = async (work: (trx: Knex.Transaction) => Promise<unknown>): Promise<unknown> => {
      const connection = (await db.client.acquireConnection()) as object;
      try {
        return await db.transaction(work, { connection } as Knex.TransactionConfig);
      } finally {
        await db.client.releaseConnection(connection);
      }
    };

    it('commits into the sandbox, with what is nested in it', async () => {
      await run(db, async () => {
        await onTaken(async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.transaction((inner) => inner('t').insert({ id: 2 }));
        });
        expect(await db('t').pluck('id').orderBy('id')).to.deep.equal([1, 2]);
      });
    });

    it('is undone alone when it fails', async () => {
      await run(db, async () => {
        await db('t').insert({ id: 1 });
        const thrown = new Error('no');
        const failing = onTaken(async (trx) => {
          await trx('t').insert({ id: 2 });
          throw thrown;
        });
        expect(await failure(failing)).to.equal(thrown);
        expect(await failure(onTaken((trx) => trx.raw('select 1/0') as never))).to.include({ code: '22012' });
        expect(await db('t').pluck('id')).to.deep.equal([1]);
      });
    });

    it('rejects when COMMIT would', async () => {
      await run(db, async () => {
        expect(await failure(onTaken((trx) => trx('child').insert({ parent_id: 1 }) as never))).to.include({
          code: '23503',
        });
        expect(await db('child')).to.be.empty;
      });
    });

    it('makes others wait until the connection is released', async () => {
      await run(db, async () => {
        await Promise.all([
          onTaken((trx) => trx.raw('insert into t select 1 from pg_sleep(0.05)') as never),
          db('t').insert({ id: 2 }),
          db.transaction((trx) => trx('t').insert({ id: 3 })),
          onTaken((trx) => trx('t').insert({ id: 4 }) as never),
        ]);
        expect(await db('t').pluck('id').orderBy('id')).to.deep.equal([1, 2, 3, 4]);
      });
    });
  });
}
