// workerDatabase(): clones of a template, on a real server, as an ordinary role that may create databases.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import knex, { type Knex } from 'knex';
import { resettable } from '../../lib';
import { type WorkerDatabase, workerDatabase, type WorkerDatabaseOptions } from '../../lib/testing';
import { freshDatabase, type TestDatabase } from '../support/database';
import { defer } from '../../lib/words/waiting';
import { failure, outcome } from '../support/outcome';
import { until } from '../support/until';

const WORKER = path.join(__dirname, 'fixtures', 'worker.ts');

describe('workerDatabase()', () => {
  let database: TestDatabase;
  let made: WorkerDatabase[];
  let instances: Knex[];
  let children: ChildProcess[];

  beforeEach(async () => {
    database = await freshDatabase(undefined, { createsDatabases: true });
    [made, instances, children] = [[], [], []];
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(instances.map((db) => db.destroy()));
    await Promise.all(made.map((each) => each.drop()));
    await database.drop();
  });

  const config = (): Knex.Config => ({ client: 'pg', connection: database.url });
  const createTable: WorkerDatabaseOptions['prepare'] = (db) =>
    db.schema.createTable('t', (table) => table.increments());

  async function make(options: Partial<WorkerDatabaseOptions> = {}, given = config()): Promise<WorkerDatabase> {
    const result = await workerDatabase(given, { prepare: createTable, key: 'one', ...options });
    made.push(result);
    return result;
  }

  function open(given: Knex.Config): Knex {
    const db = knex(given);
    instances.push(db);
    return db;
  }

  /** The databases of the role, besides its own. */
  async function databases(): Promise<string[]> {
    const { rows } = await database.observer.query<{ datname: string }>(
      'select datname from pg_database where pg_get_userbyid(datdba) = $1 and datname <> $1 order by oid',
      [database.name],
    );
    return rows.map(({ datname }) => datname);
  }

  async function oidOf(name: string): Promise<number | undefined> {
    const sql = 'select oid::int from pg_database where datname = $1';
    const { rows } = await database.observer.query<{ oid: number }>(sql, [name]);
    return rows[0]?.oid;
  }

  const clonesAmong = (names: string[]) => names.filter((name) => /_\d+_[0-9a-f]{8}$/.test(name));

  function start(env: NodeJS.ProcessEnv): ChildProcess {
    const child = spawn(process.execPath, ['--require', require.resolve('tsx/cjs'), WORKER], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, URL: database.url, KEY: 'one', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  async function firstLine(child: ChildProcess): Promise<string> {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until('the process says something', () => text.includes('\n'), { timeoutMillis: 15_000 });
    return text.slice(0, text.indexOf('\n'));
  }

  const ended = (child: ChildProcess) =>
    until('the process has ended', () => child.exitCode !== null || child.signalCode !== null, {
      timeoutMillis: 15_000,
    });

  it('prepares once, and gives each worker its own clone', async () => {
    let prepared = 0;
    const prepare: WorkerDatabaseOptions['prepare'] = async (db) => {
      prepared += 1;
      await createTable(db);
      await db('t').insert({ id: 7 });
    };
    const [one, other] = await Promise.all([make({ prepare }), make({ prepare })]);
    expect(prepared).to.equal(1);
    expect(one.name).not.to.equal(other.name);
    const [db, otherDb] = [open(one.config), open(other.config)];
    await db('t').insert({ id: 1 });
    expect(await otherDb('t').pluck('id')).to.deep.equal([7]);
    expect(await db('t').pluck('id').orderBy('id')).to.deep.equal([1, 7]);
  });

  it('clones in tens of milliseconds', async () => {
    await make();
    const start = performance.now();
    await make();
    expect(performance.now() - start).to.be.lessThan(2000); // a starved machine; 60 ms otherwise
  });

  it('seals the template: nobody can connect to it, and it is there only when it is complete', async () => {
    const seen: string[][] = [];
    await make({
      async prepare(db) {
        seen.push(await databases());
        await createTable(db);
      },
    });
    const template = (await databases()).find((name) => !seen[0]?.includes(name) && !/_\d+_[0-9a-f]{8}$/.test(name));
    expect(seen[0]?.[0]).to.equal(`${template}_making`);
    const { rows } = await database.observer.query(
      'select datistemplate, datallowconn from pg_database where datname = $1',
      [template],
    );
    expect(rows).to.deep.equal([{ datistemplate: true, datallowconn: false }]);
  });

  describe('where prepare fails', () => {
    it('rejects where it has left a transaction open, and lets the next one try again', async () => {
      const prepare: WorkerDatabaseOptions['prepare'] = async (db) => void (await db.transaction());
      expect((await failure(make({ prepare }))).message).to.include('left a transaction or a connection open');
      expect(await databases()).to.be.empty;
      await make();
    });

    it('leaves nothing, rejects with the reason, and lets the next one try again', async () => {
      const prepare: WorkerDatabaseOptions['prepare'] = async (db) => {
        await createTable(db);
        throw new Error('a migration is broken');
      };
      const outcomes = await Promise.all([failure(make({ prepare })), failure(make({ prepare }))]);
      for (const { message, cause } of outcomes) {
        expect(message).to.include('prepare failed').and.include('a migration is broken');
        expect(cause).to.have.property('message', 'a migration is broken');
      }
      expect(await databases()).to.be.empty;
      const db = open((await make()).config);
      expect(await db('t')).to.be.empty;
    });

    it('shows nothing of the bindings of a query in the message, which is short and on one line', async () => {
      const failures: Record<string, WorkerDatabaseOptions['prepare']> = {
        query: (db) => db.raw('select ?::int', ['hunter2']),
        'long text': () => Promise.reject(new Error(`a\nb\u001b${'x'.repeat(300_000)}`)),
        'no text': () => Promise.reject(Object.create(null)),
        'an error that cannot be read': () =>
          Promise.reject(
            Object.defineProperty(new Error('unread'), 'message', {
              get() {
                throw new Error('from the getter');
              },
            }),
          ),
      };
      for (const [title, prepare] of Object.entries(failures)) {
        const { message } = await failure(make({ prepare }));
        expect(message, title).to.include('prepare failed').and.have.length.below(500);
        for (const part of ['hunter2', '\n', '\u001b']) expect(message, title).not.to.include(part);
      }
      expect(await databases()).to.be.empty;
    });

    it('lets the next one try again when its process is killed meanwhile', async () => {
      const child = start({ STUCK: 'yes' });
      expect(await firstLine(child)).to.equal('preparing');
      expect((await databases())[0]).to.match(/_making$/);
      child.kill('SIGKILL');
      await ended(child);
      const db = open((await make()).config);
      expect(await db('t')).to.be.empty;
      expect((await databases()).filter((name) => name.endsWith('_making'))).to.be.empty;
    });
  });

  describe('clones of processes that are gone', () => {
    for (const [how, env] of [
      ['that ended', {}],
      ['that were killed while their query ran', { BUSY: 'yes' }],
    ] as const) {
      it(`${how} are dropped by the next one, those of living ones are not`, async () => {
        const mine = await make();
        const child = start(env);
        const name = await firstLine(child);
        expect(await databases()).to.include(name);
        if ('BUSY' in env) {
          await until('its query runs', async () => {
            const { rows } = await database.observer.query(
              "select from pg_stat_activity where datname = $1 and state = 'active'",
              [name],
            );
            return rows.length > 0;
          });
          const other = await make();
          expect(await databases()).to.include.members([mine.name, name, other.name]);
          child.kill('SIGKILL');
        }
        // It keeps no process alive: without a query the child ends by itself.
        await ended(child);
        await until('it is dropped', async () => {
          await (await make()).drop();
          return !(await databases()).includes(name);
        });
        expect(await databases()).to.include(mine.name);
      });
    }
  });

  it('knows that a process still runs after its connection was lost', async () => {
    const mine = await make();
    const keepers = () =>
      database.observer.query<{ pid: number }>(
        "select pid from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = $1)",
        [database.name],
      );
    const before = (await keepers()).rows;
    const [{ pid } = { pid: 0 }] = before;
    await database.observer.query('select pg_terminate_backend($1)', [pid]);
    await until('it has its locks again', async () => {
      const now = (await keepers()).rows;
      return now.length === before.length && now.every((row) => row.pid !== pid);
    });
    await (await make()).drop();
    expect(await open(mine.config)('t')).to.be.empty;
  });

  it('drops the templates of other keys but the newest, and never one that is in use', async () => {
    const used = await make({ key: 'used' });
    const templates = async () =>
      (await databases()).filter((name) => /^knex_reset_[0-9a-f]{8}_[0-9a-f]{12}$/.test(name));
    for (const key of ['a', 'b', 'c']) await (await make({ key, keepTemplates: 9 })).drop();
    const before = await templates();
    expect(before).to.have.lengthOf(4);
    await (await make({ key: 'd' })).drop();
    // 'used', the two newest of the others, and the one of the key itself.
    const after = await templates();
    expect(after).to.include.members([before[0], before[2], before[3]]).and.have.lengthOf(4);
    expect(after).not.to.include(before[1]);
    await used.drop();
    await (await make({ key: 'd', keepTemplates: 0 })).drop();
    expect(await templates()).to.have.lengthOf(1);
  });

  it('uses the contents of the migration and seed folders as the key', async () => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'knex-reset-migrations-'));
    try {
      await fs.writeFile(
        path.join(folder, '1_t.js'),
        "exports.up = (knex) => knex.schema.createTable('t', (table) => table.increments()); exports.down = () => {};",
      );
      const given = {
        ...config(),
        migrations: { directory: folder },
        seeds: { directory: [path.join(folder, 'none')] },
      };
      let prepared = 0;
      const options = {
        key: undefined,
        prepare: (db: Knex) => {
          prepared += 1;
          return db.migrate.latest();
        },
      };
      await make(options, given);
      const db = open((await make(options, given)).config);
      expect(await db('t')).to.be.empty;
      expect(await db('knex_migrations')).to.have.lengthOf(1);
      expect(prepared).to.equal(1);
      await fs.appendFile(path.join(folder, '1_t.js'), '// changed');
      await make(options, given);
      expect(prepared).to.equal(2);
      const prepare = async (db: Knex) => {
        prepared += 1;
        await db.migrate.latest();
        await db('t').insert({ id: 7 });
      };
      const changed = open((await make({ ...options, prepare }, given)).config);
      expect(prepared).to.equal(3);
      expect(await changed('t').pluck('id')).to.deep.equal([7]);
      await fs.rm(path.join(folder, '1_t.js'));
      expect(await failure(make(options, given)))
        .to.be.instanceOf(TypeError)
        .and.have.property('message')
        .that.includes('give key');
    } finally {
      await fs.rm(folder, { recursive: true });
    }
  });

  it('resets the instance and makes the clone anew under the same name, by restore()', async () => {
    const worker = await make();
    const db = resettable(knex(worker.config));
    instances.push(db);
    await db('t').insert({ id: 1 });
    await db.schema.createTable('other', (table) => table.increments());
    const trx = await db.transaction();
    await trx('t').insert({ id: 2 });
    await Promise.all([worker.restore(db), worker.restore(db)]);
    expect(await failure(trx('t'))).to.have.property('code', 'ERR_RESET');
    expect(await db('t')).to.be.empty;
    expect(await db.schema.hasTable('other')).to.equal(false);
    expect(await failure(worker.restore(knex(config()) as never))).to.be.instanceOf(TypeError);
  });

  it('drops the clone by drop(), and keeps the template', async () => {
    const worker = await make();
    const db = open({ ...worker.config, log: { warn() {}, error() {} } });
    await db('t');
    await worker.drop();
    await worker.drop();
    expect(clonesAmong(await databases())).to.be.empty;
    expect(await databases()).to.have.lengthOf(1);
    expect(await failure(db('t'))).to.be.instanceOf(Error);
    expect(await failure(worker.restore(resettable(knex(config())))))
      .to.have.property('message')
      .that.includes('is dropped');
  });

  it('drops the clone for good while a restore waits, which rejects', async () => {
    const worker = await make();
    const db = resettable(knex(worker.config), { graceMillis: 5000 });
    instances.push(db);
    const query = outcome(db.raw('select pg_sleep(0.5)'));
    await until('it runs', () => db.connectionState().connections.inUse === 1);
    const restored = failure(worker.restore(db));
    await worker.drop();
    expect((await restored).message).to.include('is dropped');
    await query;
    expect(clonesAmong(await databases())).to.be.empty;
  });

  it('drops the clone after the restore that is under way', async () => {
    const worker = await make();
    const db = resettable(knex(worker.config));
    instances.push(db);
    await db('t');
    const first = await oidOf(worker.name);
    const restored = outcome(worker.restore(db));
    await until('it is made anew', async () => (await oidOf(worker.name)) !== first);
    await worker.drop();
    expect((await restored).error).to.equal(undefined);
    expect(clonesAmong(await databases())).to.be.empty;
  });

  describe('where the process loads the package anew, as jest does for each file', () => {
    /** The same file on disk, with state of its own. */
    function loadAnew(): typeof workerDatabase {
      const isOurs = (file: string) => file.startsWith(path.join(__dirname, '..', '..', 'lib'));
      const loaded = Object.entries(require.cache).filter(([file]) => isOurs(file));
      for (const [file] of loaded) delete require.cache[file];
      try {
        return (require('../../lib/testing') as { workerDatabase: typeof workerDatabase }).workerDatabase;
      } finally {
        for (const file of Object.keys(require.cache).filter(isOurs)) delete require.cache[file];
        Object.assign(require.cache, Object.fromEntries(loaded));
      }
    }
    const makeIn = async (load: typeof workerDatabase, options: Partial<WorkerDatabaseOptions> = {}) => {
      const worker = await load(config(), { prepare: createTable, key: 'one', ...options });
      made.push(worker);
      return worker;
    };
    /** Of each clone and the template, one connection has the lock. */
    const connections = async () => {
      const sql = "select distinct pid from pg_locks where locktype = 'advisory' and database = $1";
      return (await database.observer.query(sql, [await oidOf(database.name)])).rows.length;
    };

    it('goes on with the clone that it has, over one connection', async () => {
      const first = await makeIn(loadAnew());
      await open(first.config)('t').insert({ id: 1 });
      for (let load = 0; load < 3; load++) {
        const later = await makeIn(loadAnew());
        expect(later.name).to.equal(first.name);
        expect(await open(later.config)('t').pluck('id')).to.deep.equal([1]);
      }
      expect(clonesAmong(await databases())).to.have.lengthOf(1);
      expect(await connections()).to.equal(1);
    });

    it('leaves the clone to the last load: restore() of an earlier one rejects, its drop() does nothing', async () => {
      const first = await makeIn(loadAnew());
      const later = await makeIn(loadAnew());
      const db = resettable(knex(first.config));
      instances.push(db);
      expect((await failure(first.restore(db))).message).to.include('belongs to a later load');
      await first.drop();
      expect(await db('t')).to.be.empty;
      await later.restore(db);
      await later.drop();
      expect(clonesAmong(await databases())).to.be.empty;
    });

    const names = async (calls: Promise<WorkerDatabase>[]) => (await Promise.all(calls)).map(({ name }) => name);

    it('gives each call of one load a clone of its own', async () => {
      const [load, later] = [loadAnew(), loadAnew()];
      const ours = await names([makeIn(load), makeIn(load)]);
      expect(new Set(ours)).to.have.lengthOf(2);
      expect(await names([makeIn(later), makeIn(later)])).to.have.members(ours);
    });

    it('gives loads that overlap a clone each', async () => {
      const isLetIn = defer();
      const prepare: WorkerDatabaseOptions['prepare'] = async (db) => {
        await isLetIn.promise;
        await createTable(db);
      };
      const both = names([makeIn(loadAnew(), { key: 'two', prepare }), makeIn(loadAnew(), { key: 'two', prepare })]);
      const waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted and database = $1";
      await until('the later one waits for the template', async () => {
        return (await database.observer.query(waiting, [await oidOf(database.name)])).rows.length > 0;
      });
      isLetIn.resolve();
      expect(new Set(await both)).to.have.lengthOf(2);
    });

    it('makes another clone where that is dropped, of another template, or lost', async () => {
      const first = await makeIn(loadAnew());
      await first.drop();
      const second = await makeIn(loadAnew());
      expect(second.name).not.to.equal(first.name);
      expect((await makeIn(loadAnew(), { key: 'two' })).name).not.to.equal(second.name);
      await database.observer.query(`drop database "${second.name}"`);
      expect(await open((await makeIn(loadAnew())).config)('t')).to.be.empty;
    });

    it('keeps the clone for the next load where one fails', async () => {
      const first = await makeIn(loadAnew());
      const [template] = (await databases()).filter((name) => name !== first.name);
      await database.observer.query(`alter database "${template}" with is_template false`);
      await database.observer.query(`drop database "${template}"`);
      const prepare = () => Promise.reject(new Error('a migration is broken'));
      expect((await failure(makeIn(loadAnew(), { prepare }))).message).to.include('a migration is broken');
      expect((await makeIn(loadAnew())).name).to.equal(first.name);
    });
  });

  describe('the config', () => {
    for (const [form, connectionOf] of [
      ['a URL', () => database.url],
      ['a URL with parameters', () => `${database.url}?application_name=kit`],
      ['an object', () => ({ ...database.connection })],
      ['an object with a URL', () => ({ connectionString: database.url, application_name: 'kit' })],
      ['a function', () => () => ({ ...database.connection })],
      ['an async function', () => async () => ({ ...database.connection })],
    ] as const) {
      it(`may have its connection as ${form}, and is not changed`, async () => {
        const connection = connectionOf();
        const given = Object.freeze({
          client: 'pg',
          connection: typeof connection === 'object' ? Object.freeze(connection) : connection,
        }) as Knex.Config;
        const before = JSON.stringify(given);
        const worker = await make({}, given);
        expect(JSON.stringify(given)).to.equal(before);
        const db = open(worker.config);
        expect((await db.raw<{ rows: unknown[] }>('select current_database() as name')).rows).to.deep.equal([
          { name: worker.name },
        ]);
      });
    }

    it('may name a database that does not exist', async () => {
      const worker = await make(
        {},
        { client: 'pg', connection: { ...database.connection, database: 'no_such_database' } },
      );
      expect(await open(worker.config)('t')).to.be.empty;
    });
  });

  describe('bad input', () => {
    it('refuses a role that may not create databases', async () => {
      await database.observer.query(`alter role ${database.name} nocreatedb`);
      const { message } = await failure(make());
      expect(message).to.include(`the role "${database.name}" may not create databases`).and.include('CREATEDB');
    });

    it('refuses another database than PostgreSQL', async () => {
      for (const client of ['mysql2', 'better-sqlite3']) {
        const error = await failure(make({}, { client, connection: { host: 'localhost' } }));
        expect(error).to.be.instanceOf(TypeError).and.have.property('message').that.includes(`not with ${client}`);
      }
      const error = await failure(make({}, { client: 'better-sqlite3', useNullAsDefault: true }));
      expect(error).to.have.property('message').that.includes('PostgreSQL only');
    });

    it('refuses a wrong password, which is in no message', async () => {
      const url = new URL(database.url);
      url.password = 'top-secret';
      const errors = await Promise.all([
        failure(make({}, { client: 'pg', connection: url.href.replace(url.port, '1') })),
        failure(make({}, { client: 'pg', connection: 42 as never })),
        failure(make({ wrong: url.href } as never)),
      ]);
      for (const { message, stack } of errors) expect(`${message}${stack}`).not.to.include('top-secret');
    });

    it('refuses ill-typed options', async () => {
      for (const options of [
        undefined,
        {},
        { prepare: 1 },
        { prepare: createTable, keepTemplates: -1 },
        { prepare: createTable, keys: 'a' },
      ]) {
        expect(await failure(workerDatabase(config(), options as never))).to.be.instanceOf(TypeError);
      }
      expect(await failure(workerDatabase({ client: 'pg' }, { prepare: createTable, key: 'a' }))).to.be.instanceOf(
        TypeError,
      );
      expect(await failure(workerDatabase(database.url as never, { prepare: createTable, key: 'a' }))).to.be.instanceOf(
        TypeError,
      );
      expect(await databases()).to.be.empty;
    });
  });
});
