// What production refuses at COMMIT, the sandbox refuses where a transaction of the app commits: with the database's own error, there and then.
import { expect } from 'chai';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';
import { expectUntouched, KINDS, useTables } from './stage';

const TABLES = `
  create schema other;
  create table other.parent (id int primary key);
  create table other.child (parent_id int references other.parent deferrable initially deferred);
  create table "Odd ""name" (n int, constraint "odd "" key" unique (n) deferrable initially deferred);
  create table by_hand (n int unique deferrable initially immediate);
  create table log (n int);
  create function at_commit() returns trigger language plpgsql as $$
    begin
      insert into log values (new.n);
      return null;
    end $$;
  create table logged (n int);
  create constraint trigger log_at_commit after insert on logged
    deferrable initially deferred for each row execute function at_commit();
`;

for (const [kind, run] of KINDS) {
  describe(`${kind}: deferred constraints at the end of a transaction of the app`, () => {
    const stage = useTables();
    let db: ResettableKnex;

    before(() => stage.database.query(TABLES));
    beforeEach(() => {
      db = stage.resettable();
    });
    afterEach(() => expectUntouched(stage, db));

    const orphan = { parent_id: 1 };
    const WAYS: Record<string, () => Promise<unknown>> = {
      'db.transaction()': () => db.transaction((trx) => trx('child').insert(orphan)),
      'db.atomic()': () => db.atomic((trx) => trx('child').insert(orphan)),
      'commit() of a handle': async () => {
        const trx = await db.transaction();
        await trx('child').insert(orphan);
        trx.executionPromise.catch(() => {});
        await trx.commit();
      },
      'a transaction inside it that was released': () =>
        db.transaction((trx) => trx.transaction((inner) => inner('child').insert(orphan))),
      'another schema': () => db.transaction((trx) => trx('other.child').insert(orphan)),
      'a name that has to be quoted': () => db.atomic((trx) => trx('Odd "name').insert([{ n: 1 }, { n: 1 }])),
    };
    for (const [way, commit] of Object.entries(WAYS)) {
      it(`are violated by ${way}: it rejects, is undone, and the sandbox goes on`, async () => {
        await run(db, async () => {
          const error = await failure(commit());
          expect(error.code).to.match(/^2350[35]$/);
          expect(error).to.have.property('constraint');
          for (const table of ['child', 'other.child', 'Odd "name']) expect(await db(table)).to.be.empty;
          await db.transaction((trx) => trx('t').insert({ id: 1 }));
          expect(await db('t').pluck('id')).to.deep.equal([1]);
        });
      });
    }

    it('runs afterRollback for it, and no afterCommit', async () => {
      await run(db, async () => {
        const ran: string[] = [];
        const block = db.atomic(async (trx) => {
          trx.afterCommit(() => void ran.push('afterCommit'));
          trx.afterRollback(({ error }) => void ran.push((error as { code: string }).code));
          await trx('child').insert(orphan);
        });
        await failure(block);
        expect(ran).to.deep.equal(['23503']);
      });
    });

    it('are checked only at the end of each transaction', async () => {
      await run(db, async () => {
        for (const id of [1, 2, 3]) {
          await db.transaction(async (trx) => {
            await trx('child').insert({ parent_id: id });
            await trx.transaction((inner) => inner('other.child').insert({ parent_id: id }));
            await trx('parent').insert({ id });
            await trx('other.parent').insert({ id });
          });
          expect(await failure(db.atomic((trx) => trx('child').insert({ parent_id: 9 })))).to.include({
            code: '23503',
          });
        }
      });
    });

    it('are deferred again for the next transaction, and those initially immediate are not, though the app deferred all', async () => {
      await run(db, async () => {
        for (const sql of ['set constraints all deferred', 'set constraints all immediate', 'select 1']) {
          await db.transaction(async (trx) => {
            await trx('by_hand').insert({ n: 1 });
            await trx.raw(sql);
            if (sql.endsWith('deferred')) await trx('by_hand').insert({ n: 1 });
            await trx('by_hand').delete();
          });
          await db.transaction(async (trx) => {
            await trx('child').insert(orphan);
            await trx('child').delete();
          });
          const immediate = db.transaction(async (trx) => {
            await trx('by_hand').insert({ n: 1 });
            await trx('by_hand').insert({ n: 1 });
            await trx('by_hand').delete();
          });
          expect(await failure(immediate), sql).to.include({ code: '23505' });
        }
      });
    });

    it('are initially as they were created, also after a check', async () => {
      await run(db, async () => {
        await db.transaction((trx) => trx('t').insert({ id: 1 }));
        await db.schema.createTable('later', (table) => {
          table.integer('parent_id').references('parent.id').deferrable('deferred');
        });
        await db.transaction(async (trx) => {
          await trx('later').insert(orphan);
          await trx('later').delete();
        });
        expect(await failure(db.transaction((trx) => trx('later').insert(orphan)))).to.include({ code: '23503' });
      });
    });

    it('run their triggers once, and keep what those write', async () => {
      await run(db, async () => {
        for (const n of [1, 2]) await db.transaction((trx) => trx('logged').insert({ n }));
        expect(await db('log').pluck('n')).to.deep.equal([1, 2]);
      });
    });

    it('are not checked when a statement had failed, whose error is reported', async () => {
      await run(db, async () => {
        const swallowed = db.transaction(async (trx) => {
          await trx('child').insert(orphan);
          await trx.raw('select 1/0').catch(() => {});
        });
        expect(await failure(swallowed)).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      });
    });

    it('are not checked with checkConstraints: false', async () => {
      await run(db, () => db.transaction((trx) => trx('child').insert(orphan)), { checkConstraints: false });
    });
  });
}

describe('a sandbox on a database without deferrable constraints', () => {
  const stage = useStage();

  it('sends one short query at the end of a transaction of the app', async () => {
    await stage.database.query('create table t (id int primary key)');
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy });
    await db.sandbox(async () => {
      const transcript = new WireTranscript(proxy);
      await db.transaction((trx) => trx('t').insert({ id: 1 }));
      expect(transcript.sql.filter((sql) => /constraint/i.test(sql))).to.deep.equal([
        'SELECT FROM pg_constraint WHERE condeferrable LIMIT 1',
      ]);
    });
  });
});
