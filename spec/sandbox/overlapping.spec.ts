// Transactions that overlap in a sandbox: one ends while another is open that was begun inside it.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { afterCommit, afterRollback, atomic, TransactionFailedError } from '../../lib';
import { failure, outcome, watch } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';
import { defer } from '../../lib/words/waiting';
import { expectUntouched, KINDS, useTables } from './stage';

type Inside = (trx: Knex.Transaction, work: (inner: Knex.Transaction) => Promise<unknown>) => Promise<unknown>;

const INSIDE: Record<string, Inside> = {
  'trx.transaction()': (trx, work) => trx.transaction(work),
  'a block': (trx, work) => atomic(trx, work),
  'a block in a block': (trx, work) => atomic(trx, (inner) => atomic(inner, work)),
  'a handle': async (trx, work) => {
    const inner = await trx.transaction();
    try {
      await work(inner);
      await inner.commit();
    } catch (error) {
      await inner.rollback(error);
      throw error;
    }
  },
};

for (const [kind, run] of KINDS) {
  describe(`${kind}: transactions that overlap`, () => {
    const stage = useTables();
    let db: ResettableKnex;

    beforeEach(() => {
      db = stage.resettable({ pool: { max: 1 }, acquireConnectionTimeout: 1500 });
    });
    afterEach(() => expectUntouched(stage, db));

    const idsInside = async () => (await db('t').pluck('id').orderBy('id')) as number[];

    for (const [what, inside] of Object.entries(INSIDE))
      for (const ends of ['asks another query', 'throws', 'returns'])
        it(`goes on when a transaction is rolled back inside which ${what} is open, which then ${ends}`, async () => {
          await run(db, async () => {
            const began = defer<void>();
            const goesOn = defer<void>();
            let inner: Promise<unknown> | undefined;
            const outer = db.transaction(async (trx) => {
              const running = inside(trx, async (each) => {
                await each('t').insert({ id: 1 });
                began.resolve();
                await goesOn.promise;
                if (ends === 'asks another query') await each('t').insert({ id: 2 });
                if (ends === 'throws') throw new Error('of the inner one');
              });
              inner = failure(running);
              await began.promise;
              throw new Error('of the outer one');
            });
            expect(await failure(outer)).to.have.property('message', 'of the outer one');
            goesOn.resolve();
            await inner;
            await db('t').insert({ id: 3 });
            await db.atomic((trx) => trx('t').insert({ id: 4 }));
            expect(await idsInside()).to.deep.equal([3, 4]);
          });
        });

    for (const [what, begin] of [
      ['transaction()', (work: (trx: Knex.Transaction) => Promise<unknown>) => db.transaction(work)],
      ['atomic()', (work: (trx: Knex.Transaction) => Promise<unknown>) => db.atomic(work)],
    ] as const)
      it(`fails ${what} for a statement that has failed in a handle inside it, as production does, and goes on`, async () => {
        await run(db, async () => {
          const error = await failure(
            begin(async (trx) => {
              await trx('t').insert({ id: 1 });
              const inner = await trx.transaction();
              await failure(inner('t').insert({ id: 1 }));
            }),
          );
          expect(error).to.be.instanceOf(TransactionFailedError);
          expect(error.cause).to.include({ code: '23505' });
          await db('t').insert({ id: 2 });
          expect(await idsInside()).to.deep.equal([2]);
        });
      });

    for (const hook of ['afterCommit', 'afterRollback'] as const)
      for (const [what, ask] of [
        ['atomic()', () => db.atomic((trx) => trx('t').insert({ id: 1 }))],
        ['transaction()', () => db.transaction((trx) => trx('t').insert({ id: 1 }))],
      ] as const)
        it(`lets ${hook} hooks open a transaction, by ${what}: it does not wait for the one whose hook it is`, async () => {
          db = stage.resettable({ pool: { max: 1 }, acquireConnectionTimeout: 60_000 });
          await run(db, async () => {
            const block = db.atomic(() => hook === 'afterCommit' || Promise.reject(new Error('of the block')), {
              hooks: { [hook]: ask },
            });
            expect(await outcome(block)).to.have.property(hook === 'afterCommit' ? 'value' : 'error');
            const trx = await db.transaction();
            await (hook === 'afterCommit' ? afterCommit : afterRollback)(trx, async () => {
              await db('t').delete();
              await ask();
            });
            await (hook === 'afterCommit' ? trx.commit() : trx.rollback());
            expect(await idsInside()).to.deep.equal([1]);
          });
        });

    for (const ends of ['commit', 'query', 'rollback'] as const)
      it(`tells one that the rollback of an earlier handle has undone, by its ${ends}, and goes on`, async () => {
        await run(db, async () => {
          const first = await db.transaction();
          await first('t').insert({ id: 1 });
          const second = await db.transaction();
          const told = outcome(second.executionPromise);
          await second('t').insert({ id: 2 });
          await first.rollback();
          if (ends === 'query') {
            const error = await failure(second('t').insert({ id: 3 }));
            expect(error)
              .to.be.instanceOf(TransactionFailedError)
              .with.property('message')
              .that.includes('rolled back');
          }
          if (ends === 'rollback') await second.rollback();
          else expect(await failure(second.commit())).to.be.instanceOf(TransactionFailedError);
          if (ends !== 'rollback') expect((await told).error).to.be.instanceOf(TransactionFailedError);
          await db.atomic((trx) => trx('t').insert({ id: 4 }));
          expect(await idsInside()).to.deep.equal([4]);
        });
      });

    it('lets handles be committed in the order in which they were begun', async () => {
      await run(db, async () => {
        const handles = [];
        for (const id of [1, 2, 3]) {
          const trx = await db.transaction();
          handles.push(trx);
          await trx('t').insert({ id });
        }
        for (const [i, trx] of handles.entries()) {
          await trx('t').insert({ id: 10 + i });
          await trx.commit();
        }
        expect(await idsInside()).to.deep.equal([1, 2, 3, 10, 11, 12]);
      });
    });

    it('lets one begin while another is open whose own beginning was inside one that is over', async () => {
      await run(db, async () => {
        const first = await db.transaction();
        const second = await db.transaction();
        await first.commit();
        const third = await db.transaction();
        await third('t').insert({ id: 3 });
        await second('t').insert({ id: 2 });
        await second.commit();
        await third.commit();
        expect(await idsInside()).to.deep.equal([2, 3]);
      });
    });
  });
}

describe('a transaction that was begun inside one that is over', () => {
  const stage = useTables();
  let db: ResettableKnex;

  beforeEach(() => {
    db = stage.resettable();
  });
  afterEach(() => expectUntouched(stage, db));

  it('is in the report of the sandbox that is closed, and is ended', async () => {
    const sandbox = await db.openSandbox();
    const first = await db.transaction();
    const second = await db.transaction();
    const told = watch(second.executionPromise);
    await second('t').insert({ id: 1 });
    await first.commit();
    expect((await sandbox.close()).transactions).to.have.lengthOf(1);
    await until('the one left open is told', () => told.state === 'rejected');
    expect(second.isCompleted()).to.equal(true);
  });
});
