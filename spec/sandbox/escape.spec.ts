// Scripts that end a sandbox's transaction and hide it: behind an error, or behind a transaction of their own.
import { expect } from 'chai';
import { SandboxError } from '../../lib';
import { failure, outcome } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { expectUntouched, ids, KINDS, useTablesToFill } from './stage';

const ESCAPES = [
  'insert into t values (1); commit; select 1/0',
  'commit; begin',
  'commit and chain',
  'rollback; begin',
  'rollback and chain',
];

const LATERS: [what: string, ask: (db: ResettableKnex) => PromiseLike<unknown>][] = [
  ['nothing', () => Promise.resolve()],
  ['a query', (db) => db('t').insert({ id: 2 })],
  ['a query that fails', (db) => db.raw('select * from nothing')],
  ['a block', (db) => db.atomic((trx) => trx('t').insert({ id: 2 }))],
  ['a transaction', (db) => db.transaction((trx) => trx('t').insert({ id: 2 }))],
  ['two more of them', (db) => Promise.allSettled([db.raw('commit and chain'), db.raw('rollback; begin')])],
];

for (const [kind, run] of KINDS) {
  describe(`${kind}: an escape that leaves no trace in the connection’s status`, () => {
    const stage = useTablesToFill();
    let db: ResettableKnex;

    beforeEach(() => {
      db = stage.resettable();
    });

    for (const sql of ESCAPES) {
      describe(`by "${sql}"`, () => {
        for (const [what, ask] of LATERS) {
          it(`fails at the end and names it, when ${what} came after it`, async () => {
            const error = await failure(
              run(db, async () => {
                await outcome(db.raw(sql));
                await outcome(ask(db));
              }),
            );
            expect(error).to.be.instanceOf(SandboxError).with.property('code', 'ERR_SANDBOX');
            expect(error.message).to.include(`"${sql}"`);
          });
        }

        for (const way of ['atomic', 'transaction'] as const) {
          it(`fails at the end and names it, when it was sent in db.${way}()`, async () => {
            const error = await failure(run(db, () => outcome(db[way]((trx) => outcome(trx.raw(sql))))));
            expect(error).to.be.instanceOf(SandboxError);
            expect(error.message).to.include(`"${sql}"`);
          });
        }

        it('fails at the end with checkConstraints: false', async () => {
          const body = async () => {
            await db('t').insert({ id: 2 });
            await outcome(db.raw(sql));
          };
          const error = await failure(run(db, body, { checkConstraints: false }));
          expect(error).to.be.instanceOf(SandboxError);
          expect(error.message).to.include(`"${sql}"`);
        });

        it('stores nothing of later queries', async () => {
          await failure(
            run(db, async () => {
              await outcome(db.raw(sql));
              await Promise.all([2, 3].map((id) => outcome(db('t').insert({ id }))));
            }),
          );
          expect(await ids(stage)).not.to.include.oneOf([2, 3]);
        });

        it('leaves the instance usable', async () => {
          await failure(run(db, () => outcome(db.raw(sql))));
          await stage.database.query('truncate t');
          await run(db, () => db('t').insert({ id: 2 }));
          await expectUntouched(stage, db);
        });
      });
    }
  });
}
