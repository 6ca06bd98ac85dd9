// What the app does at the same time interleaves on the sandbox's one connection, without a hang: the pool has no other.
import { expect } from 'chai';
import { failure, never, outcome } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, KINDS, useTables } from './stage';

for (const [kind, run] of KINDS) {
  describe(`${kind}: work at the same time`, () => {
    const stage = useTables();
    let db: ResettableKnex;

    afterEach(() => expectUntouched(stage, db));

    const idsInside = async () => (await db('t').pluck('id').orderBy('id')) as number[];

    beforeEach(() => {
      db = stage.resettable({ pool: { max: 1 } });
    });

    it('runs pool queries and transactions started together', async () => {
      await run(db, async () => {
        await Promise.all(
          [1, 2, 3, 4, 5].flatMap((n) => [
            db('t').insert({ id: n }),
            db.transaction(async (trx) => {
              await Promise.all([trx('t').insert({ id: 10 + n }), db('t').insert({ id: 20 + n })]);
              await db.transaction((other) => other('t').insert({ id: 30 + n }));
            }),
            db.atomic(async (trx) => {
              await Promise.all([1, 2, 3].map((m) => trx.atomic((inner) => inner('t').insert({ id: 100 * m + n }))));
            }),
          ]),
        );
        expect(await idsInside()).to.have.lengthOf(5 * 7);
      });
    });

    it('lets the pool be used inside a transaction, and transactions inside each other', async () => {
      await run(db, async () => {
        await db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          await db('t').insert({ id: 2 });
          await db.atomic((other) => other('t').insert({ id: 3 }), { durable: true });
          await trx('t').insert({ id: 4 });
        });
        expect(await idsInside()).to.deep.equal([1, 2, 3, 4]);
      });
    });

    it('lets transactions by handle overlap', async () => {
      await run(db, async () => {
        const first = await db.transaction();
        await first('t').insert({ id: 1 });
        const second = await db.transaction();
        await second('t').insert({ id: 2 });
        await db('t').insert({ id: 3 });
        await first('t').insert({ id: 4 });
        await first.commit();
        await second('t').insert({ id: 5 });
        await second.commit();
        expect(await idsInside()).to.deep.equal([1, 2, 3, 4, 5]);
      });
    });

    it('runs transactions that were started together one after the other', async () => {
      await run(db, async () => {
        const steps: string[] = [];
        const work = (name: string) =>
          db.transaction(async (trx) => {
            steps.push(`${name} begins`);
            await trx.raw('select 1');
            steps.push(`${name} ends`);
          });
        await Promise.all([work('one'), work('two')]);
        expect(steps).to.deep.equal(['one begins', 'one ends', 'two begins', 'two ends']);
      });
    });

    it('undoes only the failing transaction', async () => {
      await run(db, async () => {
        const inserts = [1, 2, 3, 4].map((n) =>
          db.transaction(async (trx) => {
            await trx('t').insert({ id: n });
            if (n % 2) throw new Error(`no ${n}`);
          }),
        );
        const outcomes = (await Promise.allSettled(inserts)).map(({ status }) => status);
        expect(outcomes).to.deep.equal(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
        expect(await idsInside()).to.deep.equal([2, 4]);
      });
    });

    it('rolls back by hand in its turn, however long a query takes', async () => {
      db = stage.resettable({}, { timeoutMillis: 200 });
      await run(db, async () => {
        const trx = await db.transaction();
        await trx('t').insert({ id: 1 });
        const slow = outcome(db.raw('select pg_sleep(0.7)'));
        await stage.running('pg_sleep');
        await trx.rollback();
        expect(await slow).to.have.property('value');
        await db('t').insert({ id: 2 });
        expect(await idsInside()).to.deep.equal([2]);
      });
    });

    it('cancels a block that runs too long, and still works', async () => {
      await run(db, async () => {
        const slow = db.atomic((trx) => trx.raw('select pg_sleep(30)'), { timeoutMillis: 200 });
        expect(await failure(slow)).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
        expect(await failure(db.atomic(never, { timeoutMillis: 50 }))).to.include({
          code: 'ERR_TRANSACTION_TIMEOUT',
        });
        await db('t').insert({ id: 1 });
      });
    });
  });
}
