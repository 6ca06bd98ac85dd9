// The lock, seen from the process that asks for it.
import { expect } from 'chai';
import { MigrationLockError, ResetError, resettable } from '../../lib';
import { withMigrationLock } from '../../lib/migrations';
import { failure, never, watch } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';
import { done, lockRow, sourceOf, startOver } from './source';

describe('withMigrationLock()', () => {
  const stage = useStage();

  beforeEach(() => startOver(stage.database));

  const leaveRow = async (value: number) => {
    const plain = stage.knex();
    await plain.migrate.latest(sourceOf({}));
    await plain.destroy();
    await stage.database.query(`update knex_migrations_lock set is_locked = ${value}`);
  };
  const lockBackend = () =>
    until('somebody has the lock', async () =>
      (await stage.database.locks()).find((lock) => lock.locktype === 'advisory'),
    );

  /** Resolves when a query with this in it was sent again and again. */
  const askedAgain = async (text: string) => {
    const times = new Set<string>();
    await until(`"${text}" was asked three times`, async () => {
      const seen = await stage.database.query<{ at: string }>(
        `select query_start::text as at from pg_stat_activity
          where query like '%${text}%' and pid <> pg_backend_pid() and datname = current_database()`,
      );
      for (const { at } of seen) times.add(at);
      return times.size >= 3;
    });
  };

  describe('around migrations', () => {
    it('resolves with what the work returns', async () => {
      const db = stage.resettable();
      const one = { up: (knex: typeof db) => knex.schema.createTable('t', (table) => table.increments()) };
      const result = await withMigrationLock(db, () => db.migrate.latest(sourceOf({ one: one as never })));
      expect(result).to.deep.equal([1, ['one']]);
      expect(await withMigrationLock(db, () => 'not a promise')).to.equal('not a promise');
    });

    it('leaves no connection, no lock, no listener, and a free row', async () => {
      const db = stage.resettable();
      await withMigrationLock(db, () => db.migrate.latest(sourceOf({ one: { up: (knex) => knex.raw('select 1') } })));
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(db.listenerCount('query')).to.equal(0);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('lends no earlier connection again afterwards, and aborts nothing that runs', async () => {
      const db = stage.resettable({ pool: { max: 5 } });
      const pidOf = async (knex: Pick<typeof db, 'raw'>) =>
        (await knex.raw('select pg_backend_pid() as pid')).rows[0].pid as number;
      const trx = await db.transaction();
      const busy = await pidOf(trx);
      const query = db.raw('select pg_backend_pid() as pid, pg_sleep(1)').then(({ rows }) => rows[0].pid as number);
      await stage.running('pg_sleep');
      let used = 0;
      await withMigrationLock(db, async () => {
        used = await pidOf(db);
      });
      expect(db.connectionState()).to.deep.include({ generation: 0 });
      expect((await stage.database.backends()).map(({ pid }) => pid))
        .to.include(busy)
        .and.not.include(used);
      expect(await pidOf(trx)).to.equal(busy);
      await trx.commit();
      const slow = await query;
      await until(
        'they are closed when they come back',
        async () => (await stage.leftOnServer()).backends.length === 0,
      );
      expect([used, busy, slow]).not.to.include(await pidOf(db));
    });

    it('lets the migrations of several tenants run side by side on one instance', async () => {
      await stage.database.query('create schema if not exists one; create schema if not exists two');
      const db = stage.resettable({ pool: { max: 6 } });
      const met: Promise<unknown>[] = [];
      let arrive = () => {};
      const both = new Promise<void>((resolve) => {
        let count = 0;
        arrive = () => void (++count === 2 && resolve());
      });
      const migrate = (schemaName: string) => {
        const up = async (knex: typeof db) => {
          arrive();
          met.push(both);
          await both;
          await knex.schema.withSchema(schemaName).createTable('mine', (table) => table.increments());
          await knex.raw(schemaName === 'one' ? 'select 1' : 'select pg_sleep(0.3)');
        };
        const migrations = { ...sourceOf({ first: { up: up as never } }), schemaName };
        return withMigrationLock(db, () => db.migrate.latest(migrations), { schemaName });
      };
      expect(await Promise.all([migrate('one'), migrate('two')])).to.deep.equal([
        [1, ['first']],
        [1, ['first']],
      ]);
      await stage.database.query('drop schema one cascade; drop schema two cascade');
    });

    it('rejects with the very error of the work, and leaves nothing', async () => {
      const db = stage.resettable();
      const thrown = new Error('half-way');
      const up = async (knex: typeof db) => {
        await knex.raw('create table half (id int)');
        throw thrown;
      };
      const one = { up: up as never, config: { transaction: false } };
      expect(await failure(withMigrationLock(db, () => db.migrate.latest(sourceOf({ one }))))).to.equal(thrown);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(db.listenerCount('query')).to.equal(0);
      expect(await lockRow(stage.database)).to.deep.equal([0]);
      await withMigrationLock(db, () => db.migrate.latest(sourceOf({ one: { up: async () => {} } })));
      expect(await done(stage.database)).to.deep.equal(['one']);
    });

    it('keeps its lock through resets inside the work', async () => {
      const db = stage.resettable();
      await withMigrationLock(db, async () => {
        const { pid } = await lockBackend();
        await db.raw('select 1');
        await db.resetConnection();
        await db.raw('select 1');
        await db.resetConnection({ connections: 'recycle' });
        expect(await lockBackend()).to.include({ pid, granted: true });
      });
    });

    it('does not reopen an instance that the work has destroyed', async () => {
      const db = stage.resettable();
      await withMigrationLock(db, () => db.destroy());
      expect(await failure(db.raw('select 1')))
        .to.be.an.instanceof(Error)
        .with.property('message', 'Unable to acquire a connection');
    });

    it('does not lock a migrations table of the same name in another schema', async () => {
      await stage.database.query('create schema other');
      const db = stage.resettable();
      const other = stage.resettable({ migrations: { schemaName: 'other' } });
      await withMigrationLock(db, () =>
        withMigrationLock(other, () => other.migrate.latest(sourceOf({ one: { up: async () => {} } })), {
          waitMillis: 0,
        }),
      );
      expect(await done(stage.database, 'other.knex_migrations')).to.deep.equal(['one']);
      expect(await lockRow(stage.database, 'other.knex_migrations')).to.deep.equal([0]);
    });

    it('opens its connection like the pool: provider, search path, afterCreate', async () => {
      await stage.database.query('create schema elsewhere');
      const { connection } = stage.database;
      let created = 0;
      const afterCreate = (raw: { query(sql: string, done: unknown): void }, isDone: unknown) => {
        created++;
        raw.query("set application_name = 'after create'", isDone);
      };
      const db = stage.resettable({
        connection: async () => connection,
        searchPath: ['elsewhere'],
        pool: { afterCreate },
      });
      await withMigrationLock(db, async () => {
        expect((await stage.database.backends()).map((backend) => backend.application_name)).to.deep.equal([
          'after create',
        ]);
        // The same table, named by its schema.
        const same = stage.resettable({ migrations: { schemaName: 'elsewhere' } });
        expect(await failure(withMigrationLock(same, never, { waitMillis: 0 }))).to.be.an.instanceof(
          MigrationLockError,
        );
      });
      expect(created).to.equal(1);
    });
  });

  describe('while another has the lock', () => {
    it('waits for it', async () => {
      const [first, second] = [stage.resettable(), stage.resettable()];
      const order: string[] = [];
      await withMigrationLock(first, async () => {
        const waiting = withMigrationLock(second, () => order.push('second'));
        await until('two connections', async () => (await stage.database.backends()).length === 2);
        await askedAgain('pg_try_advisory_lock');
        order.push('first');
        return { waiting };
      }).then(({ waiting }) => waiting);
      expect(order).to.deep.equal(['first', 'second']);
    });

    it('waits also when the same instance has the lock', async () => {
      const db = stage.resettable();
      let inside = 0;
      const work = async () => {
        expect(++inside).to.equal(1);
        await db.raw('select pg_sleep(0.05)');
        inside--;
        return true;
      };
      const all = await Promise.all([1, 2, 3].map(() => withMigrationLock(db, work)));
      expect(all).to.deep.equal([true, true, true]);
    });

    it('rejects past waitMillis, and says which session has the lock', async () => {
      const connection = { ...stage.database.connection, application_name: 'deploy 7f3a' };
      const [holder, db] = [stage.resettable({ connection }), stage.resettable()];
      await withMigrationLock(holder, async () => {
        const { pid } = await lockBackend();
        const error = await failure(withMigrationLock(db, never, { waitMillis: 100 }));
        expect(error).to.be.an.instanceof(MigrationLockError).and.include({ code: 'ERR_MIGRATION_LOCK' });
        expect(error.message).to.include(`backend ${pid} (application "deploy 7f3a", from 127.0.0.1, since 20`);
        expect(error.message).to.include('within 100 ms');
        expect((await stage.database.backends()).map((backend) => backend.pid)).to.deep.equal([pid]);
      });
    });
  });

  describe('with a lock row that is not free', () => {
    it('frees that of a guarded runner that has ended', async () => {
      await leaveRow(2);
      const db = stage.resettable();
      await withMigrationLock(db, () => db.migrate.latest(sourceOf({ one: { up: async () => {} } })), {
        waitMillis: 0,
      });
      expect(await done(stage.database)).to.deep.equal(['one']);
    });

    it('waits for that of a plain runner', async () => {
      await leaveRow(1);
      const db = stage.resettable();
      const guarded = watch(withMigrationLock(db, () => 'ran'));
      await lockBackend();
      await askedAgain('knex_migrations_lock');
      expect(guarded.state).to.equal('pending');
      await stage.database.query('update knex_migrations_lock set is_locked = 0');
      await until('it has run', () => guarded.value === 'ran');
    });

    it('rejects past waitMillis, and says what can be done', async () => {
      await leaveRow(1);
      const error = await failure(withMigrationLock(stage.resettable(), never, { waitMillis: 80 }));
      expect(error).to.be.an.instanceof(MigrationLockError);
      expect(error.message).to.match(/knex_migrations_lock .* a plain runner .*knex migrate:unlock.*force: true/);
      expect(await lockRow(stage.database)).to.deep.equal([1]);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('frees that of a plain runner with force, once waitMillis is over', async () => {
      await leaveRow(1);
      const db = stage.resettable();
      const migrate = () => db.migrate.latest(sourceOf({ one: { up: async () => {} } }));
      await withMigrationLock(db, migrate, { waitMillis: 50, force: true });
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('never frees one whose holder still runs', async () => {
      const [holder, db] = [stage.resettable(), stage.resettable()];
      let resume = () => {};
      const held = new Promise<void>((resolve) => {
        resume = resolve;
      });
      const slow = { up: () => held, config: { transaction: false } };
      const first = withMigrationLock(holder, () => holder.migrate.latest(sourceOf({ slow })));
      await until('the row is taken', async () => (await lockRow(stage.database).catch(() => []))[0] === 2);
      await failure(withMigrationLock(db, never, { waitMillis: 60, force: true }));
      expect(await lockRow(stage.database)).to.deep.equal([2]);
      const plain = stage.knex();
      expect((await failure(plain.migrate.latest(sourceOf({ slow })))).name).to.equal('MigrationLocked');
      resume();
      await first;
      expect(await lockRow(stage.database)).to.deep.equal([0]);
    });

    it('knows the table that its options name', async () => {
      const table = { tableName: 'history' };
      const plain = stage.knex();
      await plain.migrate.latest({ ...sourceOf({}), ...table });
      await stage.database.query('update history_lock set is_locked = 2');
      const db = stage.resettable();
      await withMigrationLock(db, () => db.migrate.latest({ ...sourceOf({ one: { up: async () => {} } }), ...table }), {
        ...table,
        waitMillis: 0,
      });
      expect(await done(stage.database, 'history')).to.deep.equal(['one']);
    });
  });

  describe('whose connection dies while the work runs', () => {
    it('resets the connections of the work and rejects with the reason', async () => {
      const db = stage.resettable();
      let query: Promise<Error> | undefined;
      const guarded = failure(
        withMigrationLock(db, async () => {
          query = failure(db.raw('select pg_sleep(30)'));
          throw await query;
        }),
      );
      await stage.running('pg_sleep');
      await stage.database.terminate((await lockBackend()).pid);
      const error = await guarded;
      expect(error).to.be.an.instanceof(MigrationLockError);
      expect(error.cause).to.include({ code: '57P01' });
      expect(error.suppressed).to.deep.equal([await query]);
      expect(await query)
        .to.be.an.instanceof(ResetError)
        .and.include({ reason: 'the migration lock was lost' });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('rejects also where the work never ends', async () => {
      const db = stage.resettable();
      const guarded = failure(withMigrationLock(db, never));
      await stage.database.terminate((await lockBackend()).pid);
      expect(await guarded).to.be.an.instanceof(MigrationLockError);
    });

    it('is noticed when its socket breaks', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const guarded = failure(
        withMigrationLock(db, () => {
          proxy.reset();
          return never();
        }),
      );
      expect(await guarded)
        .to.be.an.instanceof(MigrationLockError)
        .with.nested.property('cause.code', 'ECONNRESET');
    });
  });

  describe('given something else', () => {
    const work = () => 1;

    for (const [what, given, message] of [
      ['nothing', () => undefined, 'undefined'],
      ['a config', () => ({ client: 'pg' }), 'an object with the keys client'],
      ['a plain instance', () => stage.knex(), 'a plain Knex instance; call resettable(knex) first'],
    ] as const) {
      it(`refuses ${what} as the instance`, async () => {
        const error = await failure(withMigrationLock(given() as never, work));
        expect(error).to.be.an.instanceof(TypeError).with.property('message').that.includes(`but was given ${message}`);
      });
    }

    it('refuses a transaction', async () => {
      const db = stage.resettable();
      const trx = await db.transaction();
      const error = await failure(withMigrationLock(trx as never, work));
      expect(error).to.be.an.instanceof(TypeError).with.property('message').that.includes('a transaction');
      await trx.rollback();
    });

    it('refuses bad options and a work that is no function, before anything is sent', async () => {
      const db = stage.resettable();
      for (const options of [
        { waitMillis: -1 },
        { waitMillis: '1' },
        { force: 1 },
        { tableName: 1 },
        { wait: 1 },
        [],
      ]) {
        expect(await failure(withMigrationLock(db, work, options as never))).to.be.an.instanceof(TypeError);
      }
      expect(await failure(withMigrationLock(db, Promise.resolve() as never))).to.be.an.instanceof(TypeError);
    });

    it('says which databases it works with', async () => {
      const plain = stage.knex();
      Object.defineProperty(plain.client, 'driverName', { value: 'better-sqlite3' });
      const db = stage.adopt(resettable(plain));
      const error = await failure(withMigrationLock(db, work));
      expect(error).to.be.an.instanceOf(TypeError);
      expect(error.message).to.include('works with pg, mysql and mysql2, not with better-sqlite3');
    });

    it('reports an unreachable server as the driver does', async () => {
      const connection = { ...stage.database.connection, port: 1 };
      expect(await failure(withMigrationLock(stage.resettable({ connection }), work))).to.include({
        code: 'ECONNREFUSED',
      });
    });
  });

  it('works through a copy, whether the copy or the original was made resettable', async () => {
    const db = stage.resettable();
    const copy = resettable(db.withUserParams({ a: 1 }) as typeof db);
    const run = await withMigrationLock(copy, () => copy.migrate.latest(sourceOf({ one: { up: async () => {} } })));
    expect(run[1]).to.deep.equal(['one']);
  });
});
