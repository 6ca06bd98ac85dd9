// emptyTables() on SQLite, with the drivers that are installed.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type Resettable, resettable } from '../../lib';
import { emptyTables } from '../../lib/testing';
import { failure } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { describeUnless } from '../support/unless';
import { until } from '../support/until';

const TRIGGER = 'create trigger fire after delete on a for each row begin insert into fired values (old.id); end';

for (const engine of SQLITE_ENGINES) {
  const reason = whyNot(engine);

  describeUnless(reason, `emptyTables() on SQLite, by ${engine}`, () => {
    let db: Knex & Resettable;

    beforeEach(() => {
      db = open({});
    });
    afterEach(() => db.destroy());

    function open(config: Knex.Config): Knex & Resettable {
      const client = sqliteClient(engine);
      const pool = { min: 1, max: 1 };
      return resettable(makeKnex({ filename: ':memory:' }, { client, useNullAsDefault: true, pool, ...config }));
    }

    const run = async (...statements: string[]) => {
      for (const sql of statements) await db.raw(sql);
    };
    const count = async (table: string) =>
      ((await db.raw<{ n: number }[]>(`select count(*) as n from ${table}`))[0] ?? { n: -1 }).n;

    it('empties the tables that hold rows, and starts their counters anew', async () => {
      await run(
        'create table a (id integer primary key autoincrement, twice int generated always as (id * 2))',
        'create table b (id int primary key) without rowid',
        'create table c (id integer primary key autoincrement)',
        'create view v as select * from a',
        'insert into a (id) values (5)',
        'insert into b values (1)',
        'insert into c (id) values (7)',
        'delete from c',
      );
      expect(await emptyTables(db)).to.deep.equal(['a', 'b']);
      expect(await emptyTables(db)).to.deep.equal([]);
      await run('insert into a default values', 'insert into c default values');
      expect(await db.raw('select a.id as a, c.id as c from a, c')).to.deep.equal([{ a: 1, c: 8 }]);
    });

    it('takes no longer than in proportion to the number of tables', async function () {
      this.timeout(90_000);
      const COUNT = 800;
      for (let i = 0; i < COUNT; i++)
        await run(
          `create table t${i} (id int primary key, parent int references t${i >> 1})`,
          `insert into t${i} values (1, 1)`,
        );
      const begun = performance.now();
      expect(await emptyTables(db)).to.have.length(COUNT);
      // A tenth of a second. It looked at every foreign key for each pair of tables, which took a quarter of a minute.
      expect(performance.now() - begun).to.be.below(6000);
    });

    // libsql tells nobody that a database is locked: bare, it resolves too, and nothing is stored (docs/limits.md).
    const tellsOfLocks = engine !== 'libsql';
    if (tellsOfLocks)
      it('waits for another writer, and not for longer than acquireConnectionTimeout', async () => {
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-'));
        const config = (acquireConnectionTimeout: number) => ({
          connection: { filename: path.join(folder, 'a.db') },
          acquireConnectionTimeout,
        });
        const [one, impatient, writer] = [open(config(10_000)), open(config(1000)), open(config(10_000))];
        try {
          await one.raw('pragma journal_mode = wal');
          await one.raw('create table a (id integer primary key)');
          await one.raw('insert into a values (1)');
          // The driver itself would wait with the event loop held up, in which the writer is.
          for (const each of [one, impatient]) await each.raw('pragma busy_timeout = 0');
          const trx = await writer.transaction();
          await trx('a').insert({ id: 2 });
          expect((await failure(emptyTables(impatient))).message).to.include('locked for longer than 1000 ms');
          let tries = 0;
          one.on('query', ({ sql }: { sql: string }) => void (sql === 'begin immediate' && tries++));
          const emptying = emptyTables(one);
          await until('it has tried again', () => tries > 1);
          await trx.commit();
          expect(await emptying).to.deep.equal(['a']);
        } finally {
          await Promise.all([one, impatient, writer].map((each) => each.destroy()));
          fs.rmSync(folder, { recursive: true });
        }
      });

    it('empties the tables where all integers are read as bigints', async function () {
      const afterCreate = (raw: { defaultSafeIntegers?(): void }, done: (error: null, raw: unknown) => void) => {
        raw.defaultSafeIntegers?.();
        done(null, raw);
      };
      const own = open({ pool: { min: 1, max: 1, afterCreate } });
      try {
        await own.raw('create table a (id integer primary key)');
        await own.raw('insert into a (id) values (5)');
        expect(await emptyTables(own)).to.deep.equal(['a']);
      } finally {
        await own.destroy();
      }
    });

    for (const where of ['outside of a transaction', 'in a sandbox']) {
      for (const action of ['no action', 'restrict', 'cascade', 'set null']) {
        it(`foreign keys in chains and circles, and of tables that stay, ON DELETE ${action}, ${where}`, async () => {
          const circle = where === 'in a sandbox' && action === 'restrict' ? 'no action' : action;
          await run(
            'pragma foreign_keys = on',
            'create table parent (id int primary key)',
            `create table child (id int primary key, p int not null references parent on delete ${action})`,
            `create table a (id int primary key, b int references b on delete ${circle})`,
            `create table b (id int primary key, a int references a on delete ${circle})`,
            `create table own (id int primary key, parent int references own on delete ${circle})`,
            `create table kept (own int references own on delete ${action})`,
            'insert into parent values (1)',
            'insert into child values (1, 1)',
            'insert into a values (1, null)',
            'insert into b values (1, 1)',
            'update a set b = 1',
            'insert into own values (1, null), (2, 1)',
            'update own set parent = 2 where id = 1',
            'insert into kept values (1)',
          );
          const sandbox = where === 'in a sandbox' ? await db.openSandbox() : undefined;
          expect((await failure(emptyTables(db, { except: ['kept'] }))).message).to.include(
            '"kept" is to stay, but has rows that refer to "own" (own)',
          );
          expect([await count('a'), await count('own'), await count('kept where own = 1')]).to.deep.equal([1, 2, 1]);
          expect(await emptyTables(db)).to.deep.equal(['a', 'b', 'child', 'kept', 'own', 'parent']);
          expect(await db.raw('pragma foreign_keys')).to.deep.equal([{ foreign_keys: 1 }]);
          await sandbox?.close();
          expect(await count('a')).to.equal(sandbox ? 1 : 0);
        });
      }
    }

    it('fires no trigger, and keeps it as it was written', async () => {
      await run('create table fired (id int)', 'create table a (id int)', TRIGGER, 'insert into a values (1)');
      const written = () => db.raw("select name, sql from sqlite_master where type = 'trigger'");
      const before = await written();
      expect(await emptyTables(db)).to.deep.equal(['a']);
      expect(await count('fired')).to.equal(0);
      expect(await written()).to.deep.equal(before);
      await run('insert into a values (1)', 'delete from a');
      expect(await count('fired')).to.equal(1);
    });

    it('empties the indexes of full-text search, and leaves what they keep for themselves', async () => {
      await run(
        'create virtual table notes using fts5 (text)',
        "insert into notes values ('a book')",
        'create table docs (id integer primary key, text)',
        "create virtual table docs_index using fts5 (text, content = 'docs', content_rowid = 'id')",
        "insert into docs values (1, 'a pen')",
        "insert into docs_index (rowid, text) values (1, 'a pen')",
      );
      expect(await emptyTables(db)).to.have.members(['docs', 'docs_index', 'notes']);
      expect(await db.raw("select * from notes where notes match 'book'")).to.be.empty;
      await run(
        "insert into docs_index (docs_index) values ('integrity-check')",
        "insert into notes (notes) values ('integrity-check')",
      );
    });

    it('handles odd names, and finds attached databases', async () => {
      const names = [
        'Capital',
        'with space',
        'a.b',
        'say "hi"',
        "it's",
        'back\\slash',
        'what?',
        'ünï',
        'select',
        ':key:',
        'sqliteish',
      ];
      for (const name of names) {
        const quoted = `"${name.replaceAll('"', '""')}"`;
        await db.raw(`create table ${quoted} (id integer primary key autoincrement)`);
        await db.raw(`insert into ${quoted} values (5)`);
      }
      await run(
        "attach ':memory:' as other",
        'create table other.a (id int)',
        'create table other.fired (id int)',
        TRIGGER.replace('fire', 'other.fire'),
        'insert into other.a values (1)',
      );
      expect(await emptyTables(db, { except: ['a.b', 'WHAT?'] })).to.have.members(
        names.filter((name) => name !== 'a.b' && name !== 'what?'),
      );
      expect(await emptyTables(db)).to.have.members(['a.b', 'what?']);
      expect(await emptyTables(db, { schemas: ['main', 'other'] })).to.deep.equal(['other.a']);
      expect(await count('other.fired')).to.equal(0);
      expect(await db.raw("select name from other.sqlite_master where type = 'trigger'")).to.deep.equal([
        { name: 'fire' },
      ]);
    });

    it('keeps except and the tables of knex, and refuses names without a table', async () => {
      await run(
        'create table a (id int)',
        'create table knex_migrations (id int)',
        'insert into a values (1)',
        'insert into knex_migrations values (1)',
      );
      expect(await emptyTables(db, { except: ['main.a'] })).to.be.empty;
      expect(await count('knex_migrations')).to.equal(1);
      expect((await failure(emptyTables(db, { except: ['b'] }))).message).to.include('no table "b"');
      expect((await failure(emptyTables(db, { schemas: ['nowhere'] }))).message).to.include('no schema "nowhere"');
    });
  });
}
