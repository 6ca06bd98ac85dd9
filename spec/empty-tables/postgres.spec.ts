// emptyTables() on PostgreSQL, as the ordinary role that owns the database.
import { expect } from 'chai';
import { emptyTables } from '../../lib/testing';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

describe('emptyTables() on PostgreSQL', () => {
  const stage = useStage();
  let db: ResettableKnex;

  beforeEach(async () => {
    await stage.database.query('drop schema if exists other cascade; drop schema public cascade; create schema public');
    db = stage.resettable();
  });

  const run = (sql: string) => stage.database.query(sql);
  const count = async (table: string) => Number((await run(`select count(*) as n from ${table}`))[0]?.n);

  it('empties the tables that hold rows, and tells their names', async () => {
    await run(
      'create table a (id int); create table b (id int); create table c (id int); insert into a values (1), (2); insert into c values (1)',
    );
    expect(await emptyTables(db)).to.deep.equal(['a', 'c']);
    expect([await count('a'), await count('c')]).to.deep.equal([0, 0]);
    expect(await emptyTables(db)).to.deep.equal([]);
  });

  it('takes one round trip after the first', async () => {
    await run(
      'create table a (id serial); create table b (id serial); insert into a default values; insert into b default values',
    );
    const sent: string[] = [];
    db.on('query', ({ sql }: { sql: string }) => sent.push(sql));
    await emptyTables(db);
    expect(sent).to.have.lengthOf(2);
    await run('insert into b default values');
    expect(await emptyTables(db)).to.deep.equal(['b']);
    expect(sent).to.have.lengthOf(4);
    await emptyTables(db);
    expect(sent).to.have.lengthOf(5);
    await run('insert into b default values; truncate a, b restart identity; insert into b default values');
    expect(await emptyTables(db)).to.deep.equal(['b']);
    expect(sent).to.have.lengthOf(7);
  });

  describe('foreign keys', () => {
    for (const action of ['no action', 'restrict', 'cascade', 'set null', 'no action deferrable initially deferred']) {
      it(`in chains and circles, and to oneself, ON DELETE ${action}`, async () => {
        await run(`
          create table chain_a (id int primary key);
          create table chain_b (id int primary key, a int not null references chain_a on delete ${action});
          create table chain_c (id int primary key, b int not null references chain_b on delete ${action});
          create table own (id int primary key, parent int references own on delete ${action});
          create table circle_a (id int primary key, b int);
          create table circle_b (id int primary key, a int references circle_a on delete ${action});
          alter table circle_a add foreign key (b) references circle_b on delete ${action};
          insert into chain_a values (1); insert into chain_b values (1, 1); insert into chain_c values (1, 1);
          insert into own values (1, null), (2, 1); update own set parent = 2 where id = 1;
          insert into circle_a values (1, null); insert into circle_b values (1, 1); update circle_a set b = 1;`);
        expect(await emptyTables(db)).to.have.members(['chain_a', 'chain_b', 'chain_c', 'circle_a', 'circle_b', 'own']);
        for (const table of ['chain_a', 'chain_b', 'chain_c', 'circle_a', 'circle_b', 'own'])
          expect(await count(table)).to.equal(0);
      });

      it(`of a table that stays are an error before anything is deleted, ON DELETE ${action}`, async () => {
        await run(`
          create table users (id int primary key);
          create table countries (id int, editor int references users on delete ${action});
          create table logs (id int);
          insert into users values (1); insert into countries values (1, null); insert into logs values (1);`);
        expect(await emptyTables(db, { except: ['countries'] })).to.have.members(['users', 'logs']);
        await run('insert into users values (1); insert into logs values (1); update countries set editor = 1');
        const { message } = await failure(emptyTables(db, { except: ['countries'] }));
        expect(message).to.match(
          /"countries" is to stay, but has rows that refer to "users" \(countries_editor_fkey\)/,
        );
        expect([await count('users'), await count('logs'), await count('countries where editor = 1')]).to.deep.equal([
          1, 1, 1,
        ]);
      });
    }
  });

  describe('what stays', () => {
    it('keeps tables in except, by name and by schema', async () => {
      await run('create schema other; create table a (id int); create table b (id int); create table other.a (id int)');
      for (const table of ['a', 'b', 'other.a']) await run(`insert into ${table} values (1)`);
      expect(await emptyTables(db, { except: ['a'] })).to.deep.equal(['b']);
      expect(await emptyTables(db, { schemas: ['public', 'other'], except: ['public.a'] })).to.deep.equal(['other.a']);
      expect(await emptyTables(db, { schemas: ['other'], except: ['a'] })).to.deep.equal([]);
      expect(await count('a')).to.equal(1);
    });

    it('keeps tables of schemas that are not in the search path', async () => {
      await run('create schema other; create table other.a (id int); insert into other.a values (1)');
      expect(await emptyTables(db)).to.deep.equal([]);
      const there = stage.resettable({ searchPath: ['other'] });
      expect(await emptyTables(there)).to.deep.equal(['a']);
    });

    for (const migrations of [undefined, { tableName: 'Versions', schemaName: 'other' }]) {
      it(`knex's own tables (${migrations ? 'with names of their own' : 'by default'})`, async () => {
        await run('create schema other');
        db = stage.resettable({ ...(migrations && { migrations }) });
        const migration = {
          up: (knex: typeof db) => knex.schema.createTable('a', (t) => t.increments()),
          down: async () => {},
        };
        const migrationSource = {
          getMigrations: async () => ['one'],
          getMigrationName: () => 'one',
          getMigration: async () => migration as never,
        };
        await db.migrate.latest({ migrationSource });
        await db('a').insert({ id: 1 });
        expect(await emptyTables(db, { schemas: ['public', 'other'] })).to.deep.equal(['a']);
        const [, names] = (await db.migrate.latest({ migrationSource })) as [number, string[]];
        expect(names, 'run again').to.be.empty;
      });
    }

    it('keeps views, materialized views and the tables of extensions and of the system', async () => {
      await run(`create table a (id int); create view v as select * from a; insert into a values (1);
        create materialized view m as select * from a`);
      expect(await emptyTables(db)).to.deep.equal(['a']);
      expect(await count('m')).to.equal(1);
    });
  });

  it('empties partitions and inheriting tables, each of them once', async () => {
    await run(`
      create table readings (id int, day date) partition by range (day);
      create table readings_1 partition of readings for values from ('2026-01-01') to ('2026-02-01');
      create table readings_2 partition of readings for values from ('2026-02-01') to ('2026-03-01') partition by list (id);
      create table readings_2_1 partition of readings_2 for values in (1);
      create table people (id int); create table staff (salary int) inherits (people);
      insert into readings values (1, '2026-01-05'), (1, '2026-02-05'); insert into people values (1); insert into staff values (2, 3);`);
    expect(await emptyTables(db, { except: ['readings'] })).to.have.members(['people', 'staff']);
    expect(await count('readings')).to.equal(2);
    expect(await emptyTables(db, { except: ['readings_2'] })).to.deep.equal(['readings']);
    expect(await count('readings')).to.equal(1);
    expect(await emptyTables(db)).to.deep.equal(['readings']);
    expect([await count('readings'), await count('people')]).to.deep.equal([0, 0]);
  });

  it('handles odd names', async () => {
    const names = [
      'Capital',
      'with space',
      'a.b',
      'say "hi"',
      "it's",
      'back\\slash',
      'what?',
      'what\\?',
      'ünï',
      '$1',
      'select',
      ':key:',
      '%s',
    ];
    for (const name of names) {
      const quoted = `"${name.replaceAll('"', '""')}"`;
      await run(`create table ${quoted} (${quoted} serial primary key); insert into ${quoted} default values`);
    }
    expect(await emptyTables(db, { except: ['say "hi"', 'a.b', 'what?'] })).to.have.members(
      names.filter((name) => !['say "hi"', 'a.b', 'what?'].includes(name)),
    );
    expect(await emptyTables(db)).to.have.members(['say "hi"', 'a.b', 'what?']);
    for (const name of names) {
      const quoted = `"${name.replaceAll('"', '""')}"`;
      const [row] = await run(`insert into ${quoted} default values returning *`);
      expect(row?.[name]).to.equal(1);
    }
  });

  describe('sequences', () => {
    it('restart for the emptied tables: serial, identity and owned', async () => {
      await run(`
        create table a (id serial, other bigint generated always as identity (start 100 increment 5), twice int generated always as (1 + 1) stored);
        create sequence mine start 7; create table b (id int default nextval('mine')); alter sequence mine owned by b.id;
        create table empty (id serial); create sequence nobodys; create table c (id int default nextval('nobodys'));
        create table d (id int default nextval('empty_id_seq'));
        insert into a default values; insert into b default values; insert into c default values; insert into d default values;
        select nextval('empty_id_seq');`);
      await emptyTables(db);
      expect(await run('insert into a default values returning *')).to.deep.equal([{ id: 1, other: '100', twice: 2 }]);
      expect(await run('insert into b default values returning *')).to.deep.equal([{ id: 7 }]);
      // Another table's, which held nothing; and nobody's.
      expect(await run('insert into d default values returning *')).to.deep.equal([{ id: 3 }]);
      expect(await run('insert into c default values returning *')).to.deep.equal([{ id: 2 }]);
    });

    it('continue when a transaction around it is rolled back', async () => {
      await run('create table a (id serial); insert into a default values');
      const sandbox = await db.openSandbox();
      expect(await emptyTables(db)).to.deep.equal(['a']);
      expect(await db('a').insert({}, 'id')).to.deep.equal([{ id: 1 }]);
      expect((await db.raw<{ rows: unknown[] }>('show lock_timeout')).rows).to.deep.equal([{ lock_timeout: '0' }]);
      await sandbox.close();
      expect(await run('insert into a default values returning *')).to.deep.equal([{ id: 2 }]);
    });
  });

  describe('triggers', () => {
    it('do not fire, and stay as they were, like rules and row-level security of the owner', async () => {
      await run(`
        create table fired (what text);
        create function fire() returns trigger language plpgsql as $$ begin insert into fired values (tg_name); return old; end $$;
        create table parent (id int primary key) partition by range (id);
        create table leaf partition of parent for values from (0) to (100);
        create table a (id int primary key, leaf int references parent deferrable initially deferred);
        create trigger before_row before delete on a for each row execute function fire();
        create trigger after_all after delete on a for each statement execute function fire();
        create trigger "Always" after delete on a for each row execute function fire();
        create trigger off after delete on a for each row execute function fire();
        create trigger on_leaf after delete on parent for each row execute function fire();
        alter table a enable always trigger "Always", disable trigger off;
        create table soft (id int, is_deleted bool); create rule softly as on delete to soft do instead update soft set is_deleted = true;
        create table secret (id int); alter table secret enable row level security; alter table secret force row level security;
        create policy none on secret for select using (false); create policy every on secret for insert with check (true);
        insert into parent values (1); insert into a values (1, 1); insert into soft values (1); insert into secret values (1);`);
      const state = () =>
        run(`select tgname::text, tgenabled::text from pg_trigger where not tgisinternal union all select rulename::text, ev_enabled::text from pg_rewrite where ev_class = 'soft'::regclass
        union all select 'forced', relforcerowsecurity::text from pg_class where relname = 'secret' order by 1`);
      const before = await state();
      await emptyTables(db);
      expect(await count('fired')).to.equal(0);
      expect(await state()).to.deep.equal(before);
      await run('alter table secret disable row level security');
      for (const table of ['parent', 'a', 'soft', 'secret']) expect(await count(table), table).to.equal(0);
      await run('insert into parent values (1); insert into a values (1, 1); delete from a; delete from parent');
      expect((await run('select what from fired order by 1')).map(({ what }) => what as string)).to.have.members([
        'before_row',
        'after_all',
        'Always',
        'on_leaf',
      ]);
    });

    it('are an error that names the owner when the role is another one', async () => {
      const { observer, name } = stage.database;
      await run(`create table a (id int); create function f() returns trigger language plpgsql as 'begin return old; end'; insert into a values (1);
        create trigger audit before delete on a for each row execute function f()`);
      await observer.query(`create role ${name}_guest login password 'guest'`);
      try {
        await observer.query(`grant connect on database ${name} to ${name}_guest`);
        await run(`grant usage on schema public to ${name}_guest; grant select, delete on a to ${name}_guest`);
        const guest = stage.resettable({
          connection: { ...stage.database.connection, user: `${name}_guest`, password: 'guest' },
        });
        const { message } = await failure(emptyTables(guest));
        expect(message)
          .to.include('only an owner of "a"')
          .and.include('trigger "audit"')
          .and.include(`connect as "${name}"`);
        expect(await count('a')).to.equal(1);
        await guest.resetConnection();
      } finally {
        await run(`drop owned by ${name}_guest`).catch(() => {});
        await observer.query(`revoke all on database ${name} from ${name}_guest`);
        await run(`revoke all on a from ${name}_guest; revoke all on schema public from ${name}_guest`);
        await observer.query(`drop role ${name}_guest`);
      }
    });
  });

  it('sees every change of the tables, although it remembers them', async () => {
    await run('create table a (id serial primary key); insert into a default values');
    await emptyTables(db);
    const changes: [string, string, string[]][] = [
      ['a new table', 'create table b (id int); insert into b values (1)', ['b']],
      ['a dropped one', 'drop table b; insert into a default values', ['a']],
      ['a renamed one', 'alter table a rename to c; insert into c default values', ['c']],
      ['another start', 'alter sequence a_id_seq start 50; insert into c default values', ['c']],
      [
        'another sequence',
        'create sequence s start 9; alter sequence s owned by c.id; alter sequence a_id_seq owned by none; insert into c values (1)',
        ['c'],
      ],
      [
        'a trigger',
        `create function f() returns trigger language plpgsql as $$ begin raise 'fired'; end $$;
        create trigger t before delete on c for each row execute function f(); insert into c values (1)`,
        ['c'],
      ],
      [
        'a foreign key',
        'create table d (c int references c); insert into c values (1); insert into d values (1)',
        ['c', 'd'],
      ],
    ];
    for (const [what, sql, names] of changes) {
      await run(sql);
      expect(await emptyTables(db), what).to.deep.equal(names);
    }
    expect(await run("select nextval('s')")).to.deep.equal([{ nextval: '9' }]);
  });

  describe('while another session has a lock', () => {
    it('rejects in time with an error that names the holder', async () => {
      await run('create table a (id int); insert into a values (1)');
      db = stage.resettable({ acquireConnectionTimeout: 300 });
      const other = stage.resettable({
        connection: { ...stage.database.connection, application_name: 'the app' } as never,
      });
      for (const sql of ['lock table a', 'lock table a in share mode', 'select * from a for update']) {
        const trx = await other.transaction();
        await trx.raw(sql);
        const [pid] = (await stage.database.backends())
          .filter((each) => each.application_name === 'the app')
          .map((each) => each.pid);
        const start = performance.now();
        const error = await failure(emptyTables(db));
        expect(performance.now() - start).to.be.lessThan(5000);
        expect(error.message)
          .to.include('locked for longer than 300 ms')
          .and.include(`backend ${pid} (application "the app"`)
          .and.match(/on a\b/);
        expect(error.cause).to.have.property('code', '55P03');
        await trx.rollback();
      }
      expect(await emptyTables(db)).to.deep.equal(['a']);
    });

    it('does the same for a table that it knows already, and its connection stays usable', async () => {
      await run('create table a (id int); insert into a values (1)');
      db = stage.resettable({ acquireConnectionTimeout: 300, pool: { max: 1 } });
      await emptyTables(db);
      const trx = await stage.resettable().transaction();
      await trx.raw('lock table a');
      const error = await failure(emptyTables(db));
      expect(error.message).to.match(/locked for longer than 300 ms.*backend \d+/s);
      expect(await db.raw<{ rows: unknown[] }>('show row_security').then(({ rows }) => rows)).to.deep.equal([
        { row_security: 'on' },
      ]);
      await trx.rollback();
      await run('insert into a values (1)');
      expect(await emptyTables(db)).to.deep.equal(['a']);
    });

    it('says where a transaction of the same instance was opened', async () => {
      await run('create table a (id int); insert into a values (1)');
      db = stage.resettable({ acquireConnectionTimeout: 300, pool: { max: 3 } });
      const trx = await db.transaction();
      await trx.raw('lock table a');
      const { message } = await failure(emptyTables(db));
      expect(message).to.include('postgres.spec.ts');
      await trx.rollback();
    });
  });

  describe('bad input', () => {
    it('refuses names without a table', async () => {
      await run('create table a (id int)');
      expect((await failure(emptyTables(db, { except: ['a', 'A', 'other.a'] }))).message).to.include(
        'there is no table "A", "other.a"',
      );
      expect((await failure(emptyTables(db, { schemas: ['public', 'nowhere'] }))).message).to.include(
        'there is no schema "nowhere"',
      );
    });

    it('leaves the server’s own tables as they are', async () => {
      expect(await emptyTables(db, { schemas: ['pg_catalog', 'information_schema', 'public'] })).to.deep.equal([]);
    });

    it('refuses ill-typed options, transactions and other databases', async () => {
      for (const options of [{ except: 'a' }, { except: [1] }, { schemas: [] }, { schema: ['a'] }, []]) {
        expect(await failure(emptyTables(db, options as never))).to.be.an.instanceOf(TypeError);
      }
      await db.transaction(async (trx) => {
        expect((await failure(emptyTables(trx))).message).to.include('a transaction');
      });
      expect(await failure(emptyTables(undefined as never))).to.be.an.instanceOf(TypeError);
    });
  });

  it('works on a plain instance, in a body of a sandbox, and in an ambient block that is rolled back', async () => {
    await run('create table a (id serial); insert into a default values');
    db = stage.resettable({}, { ambient: true });
    await db.sandbox(async () => expect(await emptyTables(db)).to.deep.equal(['a']));
    await failure(
      db.atomic(async () => {
        await emptyTables(db);
        throw new Error('undo');
      }),
    );
    expect(await run('insert into a default values returning *')).to.deep.equal([{ id: 2 }]);
    expect(await count('a')).to.equal(2);
    expect(await emptyTables(stage.knex())).to.deep.equal(['a']);
  });

  it('does not pass its statements through wrapIdentifier and postProcessResponse', async () => {
    db = stage.resettable({
      wrapIdentifier: (value, wrap) => wrap(value.toUpperCase()),
      postProcessResponse: () => 'nothing' as never,
    });
    await run('create table a (id int); insert into a values (1)');
    expect(await emptyTables(db)).to.deep.equal(['a']);
  });
});
