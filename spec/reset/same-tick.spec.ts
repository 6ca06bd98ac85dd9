// What is asked in the tick of a reset: before the call it is aborted like all else, after it it waits for its end.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { storedIn, useTable } from './stage';

const insert = (trx: Knex) => trx('t').insert({ id: 1 });

const ASKED: [what: string, ask: (db: ResettableKnex) => PromiseLike<unknown>][] = [
  ['db.atomic()', (db) => db.atomic(insert)],
  [
    'db.atomic() with retries',
    (db) => db.atomic(insert, { retry: { attempts: 3, minDelayMillis: 0, when: () => true } }),
  ],
  ['db.transaction()', (db) => db.transaction(insert)],
  [
    'db.transaction() by handle',
    async (db) => {
      const trx = await db.transaction();
      await insert(trx);
      await trx.commit();
    },
  ],
];

describe('in the same tick as resetConnection()', () => {
  const stage = useTable();
  const stored = () => storedIn(stage);

  for (const pool of ['cold', 'warm'] as const) {
    describe(`with a ${pool} pool`, () => {
      let db: ResettableKnex;

      beforeEach(async () => {
        db = stage.resettable();
        if (pool === 'warm') await Promise.all([db.raw('select pg_sleep(0.02)'), db.raw('select pg_sleep(0.02)')]);
      });

      for (const [what, ask] of ASKED) {
        for (const connections of ['close', 'recycle'] as const) {
          it(`rejects ${what} that was asked right before, and stores nothing (${connections})`, async () => {
            const told = failure(ask(db));
            const report = await db.resetConnection({ reason: 'the spec', connections });
            expect(await told)
              .to.be.instanceOf(ResetError)
              .and.to.include({ reason: 'the spec', generation: report.generation });
            await db.raw('select 1');
            expect(await stored()).to.deep.equal([]);
            expect(db.connectionState().connections).to.include({ inUse: 0, waiting: 0 });
            expect(db.connectionState().transactions).to.be.empty;
          });
        }

        it(`runs ${what} that was asked right after, once the reset has ended`, async () => {
          let isOver = false;
          const reset = db.resetConnection().then(() => {
            isOver = true;
          });
          const asked = Promise.resolve(ask(db)).then(() => expect(isOver).to.be.true);
          await Promise.all([reset, asked]);
          expect(await stored()).to.deep.equal([{ id: 1 }]);
        });

        it(`runs ${what} that was asked right before, once the reset has ended, with waiting: 'requeue'`, async () => {
          const asked = ask(db);
          await Promise.all([asked, db.resetConnection({ waiting: 'requeue' })]);
          expect(await stored()).to.deep.equal([{ id: 1 }]);
          expect(db.connectionState().connections).to.include({ inUse: 0, waiting: 0 });
        });
      }
    });
  }
});
