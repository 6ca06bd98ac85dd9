// emptyTables() on MariaDB, with both drivers.
import { expect } from 'chai';
import { mysqlTableEmptier } from '../../lib/drivers/mysql/empty-tables';
import { emptyTables } from '../../lib/testing';
import { whyNoMariadb } from '../support/mariadb-server';
import { type ResettableKnex, useMysqlStage } from '../support/mysql-stage';
import { failure } from '../support/outcome';
import { describeUnless } from '../support/unless';

const reason = whyNoMariadb();

for (const driver of ['mysql2', 'mysql']) {
  describeUnless(reason, `emptyTables() on MariaDB, by ${driver}`, () => {
    const stage = useMysqlStage();
    let db: ResettableKnex;

    beforeEach(async () => {
      await dropAll();
      db = stage.resettable(driver, { pool: { max: 3 } });
    });

    const run = async (...statements: string[]) => {
      for (const sql of statements) await stage.rows(sql);
    };
    /** All but the table that the stage needs. */
    const dropAll = async () => {
      const tables = await stage.rows(
        "select table_name as name, table_type as type from information_schema.tables where table_schema = 'spec' and table_name <> 't'",
      );
      await run('set foreign_key_checks = 0');
      for (const { name, type } of tables) {
        await run(`drop ${type === 'VIEW' ? 'view' : 'table'} \`${(name as string).replaceAll('`', '``')}\``);
      }
      await run('set foreign_key_checks = 1');
    };
    const count = async (table: string) => Number((await stage.rows(`select count(*) as n from ${table}`))[0]?.n);

    it('empties the tables that hold rows, in one round trip after the first', async () => {
      await run(
        'create table a (id int auto_increment primary key)',
        'create table b (id int)',
        'create view v as select * from b',
      );
      await run('insert into a values (5)', 'insert into b values (1)');
      expect(await emptyTables(db)).to.deep.equal(['a', 'b']);
      expect([await count('a'), await count('b')]).to.deep.equal([0, 0]);
      await run('insert into b values (1)');
      const sent: string[] = [];
      db.on('query', ({ sql }: { sql: string }) => sent.push(sql));
      expect(await emptyTables(db)).to.deep.equal(['b']);
      expect(sent).to.have.lengthOf(2);
      await run('insert into a values (null)');
      expect(await stage.rows('select * from a')).to.deep.equal([{ id: 1 }]);
    });

    it('does the same statement by statement, as MySQL needs it', async () => {
      await run(
        'create table a (id int auto_increment primary key)',
        'create table b (id int, a int, foreign key (a) references a (id))',
        'create table c (id int)',
      );
      await run('insert into a values (5)', 'insert into b values (1, 5)');
      const connection: unknown = await db.client.acquireConnection();
      const ask = async (sql: string) => db.raw(sql).connection(connection);
      const request = {
        except: [],
        migrations: [],
        schemas: undefined,
        lockMillis: 1000,
        isInside: false,
        isLockTimeout: () => false,
      };
      const memory = { layout: [[{ version: '8.4.0' }]] };
      expect(await mysqlTableEmptier.empty(ask, request, memory)).to.deep.equal(['a', 'b']);
      await run('insert into a values (5)', 'insert into b values (1, 5)');
      expect((await failure(mysqlTableEmptier.empty(ask, { ...request, except: ['b'] }, memory))).message).to.include(
        '"b" is to stay',
      );
      const [[settings]] = (await ask(
        'select @@session.foreign_key_checks as checks, @@session.lock_wait_timeout as wait',
      )) as [[unknown]];
      expect(settings).to.deep.equal({ checks: 1, wait: 86400 });
      await db.client.releaseConnection(connection);
    });

    for (const action of ['restrict', 'cascade', 'set null']) {
      it(`foreign keys in chains and circles, and of tables that stay, ON DELETE ${action}`, async () => {
        await run(
          'create table a (id int primary key, b int)',
          `create table b (id int primary key, a int, foreign key (a) references a (id) on delete ${action})`,
          `alter table a add foreign key (b) references b (id) on delete ${action}`,
          `create table own (id int primary key, parent int, constraint self foreign key (parent) references own (id) on delete ${action})`,
          `create table kept (own int, constraint kept_own foreign key (own) references own (id) on delete ${action})`,
          'insert into a values (1, null)',
          'insert into b values (1, 1)',
          'update a set b = 1',
          'insert into own values (1, 1)',
          'insert into kept values (1)',
        );
        expect((await failure(emptyTables(db, { except: ['kept'] }))).message).to.include(
          '"kept" is to stay, but has rows that refer to "own" (kept_own)',
        );
        expect([await count('a'), await count('own'), await count('kept where own = 1')]).to.deep.equal([1, 1, 1]);
        expect(await emptyTables(db)).to.deep.equal(['a', 'b', 'kept', 'own']);
        expect((await db.raw<[unknown[]]>('select @@session.foreign_key_checks as checks'))[0]).to.deep.equal([
          { checks: 1 },
        ]);
      });
    }

    it('fires no trigger, and keeps it', async () => {
      await run(
        'create table fired (id int)',
        'create table a (id int primary key)',
        'create trigger fire after delete on a for each row insert into fired values (1)',
        'insert into a values (1)',
      );
      expect(await emptyTables(db)).to.deep.equal(['a']);
      expect(await count('fired')).to.equal(0);
      await run('insert into a values (1)', 'delete from a');
      expect(await count('fired')).to.equal(1);
    });

    it('handles odd names, generated columns, partitions and versioned tables', async () => {
      const names = [
        'Capital',
        'with space',
        'a.b',
        'say "hi"',
        "it's",
        'back\\slash',
        'what?',
        'tick`',
        'ünï',
        'select',
        ':key:',
      ];
      for (const name of names) {
        const quoted = `\`${name.replaceAll('`', '``')}\``;
        await run(
          `create table ${quoted} (id int, twice int as (id * 2) stored)`,
          `insert into ${quoted} (id) values (1)`,
        );
      }
      await run(
        'create table parts (id int) partition by hash (id) partitions 3',
        'insert into parts values (1), (2)',
        'create table versions (id int) with system versioning',
        'insert into versions values (1)',
      );
      expect(await emptyTables(db, { except: ['a.b'] })).to.have.members(
        [...names, 'parts', 'versions'].filter((name) => name !== 'a.b'),
      );
      expect(await emptyTables(db)).to.deep.equal(['a.b']);
      expect(await count('versions for system_time all')).to.equal(0);
    });

    it('keeps except and the tables of knex, and finds other databases', async () => {
      await run('create database other', "grant all on other.* to spec@'%'");
      await run('create table other.a (id int)', 'create table a (id int)', 'create table knex_migrations (id int)');
      for (const table of ['a', 'other.a', 'knex_migrations']) await run(`insert into ${table} values (1)`);
      expect(await emptyTables(db, { except: ['a'] })).to.be.empty;
      expect(await emptyTables(db, { except: ['spec.a'], schemas: ['spec', 'other'] })).to.deep.equal(['other.a']);
      expect(await count('knex_migrations')).to.equal(1);
      expect((await failure(emptyTables(db, { except: ['b'] }))).message).to.include('no table "b"');
      expect((await failure(emptyTables(db, { schemas: ['nowhere'] }))).message).to.include('no schema "nowhere"');
      await run('drop database other');
    });

    it('deletes nothing in a sandbox or in an ambient block, whose work it would commit', async () => {
      await run('create table a (id int auto_increment primary key) engine innodb', 'insert into a values (1)');
      const ambient = stage.resettable(driver, {}, { ambient: true });
      const tryInside = async (each: ResettableKnex) => {
        await each('t').insert({ id: 2 });
        expect((await failure(emptyTables(each))).message).to.include('it commits');
        expect(await count('a')).to.equal(1);
        await each.outside(async () => expect(await emptyTables(each, { except: ['t'] })).to.deep.equal(['a']));
        await run('insert into a values (1)');
      };
      const sandbox = await db.openSandbox();
      await tryInside(db);
      await sandbox.close();
      await db.sandbox(() => tryInside(db));
      const undone = ambient.atomic(async () => {
        await tryInside(ambient);
        throw new Error('undo');
      });
      expect((await failure(undone)).message).to.equal('undo');
      expect([await count('a'), await count('t')]).to.deep.equal([1, 0]);
    });

    it('waits for a lock no longer than acquireConnectionTimeout', async () => {
      await run('create table a (id int primary key) engine innodb', 'insert into a values (1)');
      const other = stage.resettable(driver);
      for (const sql of ['select * from a for update', 'lock table a write']) {
        const trx = await other.transaction();
        await trx.raw(sql);
        const waiting = stage.resettable(driver, { acquireConnectionTimeout: 1000 });
        const error = await failure(emptyTables(waiting));
        expect(error.message)
          .to.include('locked for longer than 1000 ms')
          .and.match(/connection \d+ \(user spec/);
        expect(error.cause).to.have.property('errno', 1205);
        await trx.raw('unlock tables').catch(() => {});
        await trx.rollback().catch(() => {});
      }
    });

    it('names who may have the lock with what it runs, up to the first value: the driver has written the bindings into the SQL', async () => {
      await run('create table a1 (id int primary key) engine innodb', 'insert into a1 values (1)');
      const trx = await stage.resettable(driver).transaction();
      await trx.raw('select * from a1 for update');
      const running = trx.raw('select `id`,\nsleep(60), ? as b from a1', ['s3cret']).catch(() => {});
      const [id] = await stage.running('s3cret');
      const error = await failure(emptyTables(stage.resettable(driver, { acquireConnectionTimeout: 1000 })));
      expect(error.message).to.include('SQL: select `id`, sleep(…) may have it').and.not.include('s3cret');
      await stage.kill(id!);
      await running;
      await trx.rollback().catch(() => {});
    });
  });
}
