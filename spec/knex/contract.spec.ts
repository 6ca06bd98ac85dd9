// Each undocumented piece of knex that lib/knex relies on, on plain knex: when knex changes one, it fails here by name.
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type KnexClient, type KnexPool, type KnexTransaction, transactionIdOf } from '../../lib/knex/insides';
import { failure } from '../support/outcome';
import { knexBuild, logOf } from '../support/quiet-knex';
import { useStage } from '../support/stage';
import { until } from '../support/until';

describe('knex’s client', () => {
  const stage = useStage();
  let db: Knex;
  let client: KnexClient;

  beforeEach(() => {
    db = stage.knex();
    client = db.client as KnexClient;
  });

  it('is an event emitter, in `client`', () => {
    expect(client).to.be.an.instanceof(EventEmitter);
  });

  it('names its driver in `driverName` and `dialect`', () => {
    expect(client).to.include({ driverName: 'pg', dialect: 'postgresql' });
  });

  it('has its configuration in `config`, `config.pool` included', () => {
    expect(client.config).to.have.property('connection');
    expect(client.config.pool).to.include({ max: 10 });
  });

  it('warns by `logger.warn()`', () => {
    client.logger.warn('heard');
    expect(logOf(db).map(({ message }) => message)).to.deep.equal(['heard']);
  });

  it('makes raw connections with `driver.Client`, in `acquireRawConnection()`', async () => {
    const { driver } = client as { driver: { Client: new (config: object) => object } };
    const made: object[] = [];
    class Observed extends driver.Client {
      constructor(config: object) {
        super(config);
        made.push(this);
      }
    }
    client.driver = Object.create(driver as object, { Client: { value: Observed } });
    const connection = await client.acquireRawConnection();
    expect(made).to.deep.equal([connection]);
    await client.destroyRawConnection(connection);
  });

  it('closes them with `destroyRawConnection()`', async () => {
    const connection = await client.acquireRawConnection();
    expect(await stage.database.backends()).to.have.lengthOf(1);
    await client.destroyRawConnection(connection);
    expect(await stage.database.backends()).to.be.empty;
  });

  it('sets the search path with `setSchemaSearchPath(connection)`', async () => {
    const other = stage.knex({ searchPath: ['elsewhere'] }).client as KnexClient;
    const connection = (await other.acquireRawConnection()) as { query(sql: string): Promise<{ rows: unknown[] }> };
    await connection.query('set search_path = public');
    await other.setSchemaSearchPath?.(connection);
    const { rows } = await connection.query('show search_path');
    expect(rows).to.deep.equal([{ search_path: 'elsewhere' }]);
    await other.destroyRawConnection(connection);
  });

  describe('pool', () => {
    it('is used as acquire().promise, release() and destroy(), by nothing else', async () => {
      const connection = await client.acquireRawConnection();
      const used = new Set<PropertyKey>();
      const own: KnexPool = {
        acquire: () => ({ promise: Promise.resolve(connection) }),
        release: () => true,
        destroy: async () => {},
      };
      const real = client.pool;
      client.pool = new Proxy(own, {
        get(target, name, receiver) {
          used.add(name);
          return Reflect.get(target, name, receiver);
        },
      });
      await db.raw('select 1');
      await db.transaction((trx) => trx.raw('select 1'));
      await db.transaction((trx) => trx.transaction((inner) => inner.raw('select 1')));
      await db.destroy();
      expect([...used].sort()).to.deep.equal(['acquire', 'destroy', 'release']);
      await client.destroyRawConnection(connection);
      await real?.destroy();
    });

    it('is undefined after destroy(), and queries then fail by "Unable to acquire a connection"', async () => {
      await db.destroy();
      expect(client.pool).to.be.undefined;
      expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
    });

    it('is made by initializePool(config), which warns where there is one', async () => {
      const first = client.pool;
      client.initializePool(client.config);
      expect(client.pool).to.equal(first);
      expect(logOf(db).map(({ message }) => message)).to.deep.equal(['The pool has already been initialized']);
      client.pool = undefined;
      client.initializePool({ ...client.config, pool: { min: 0, max: 3 } });
      expect(client.pool).not.to.equal(first);
      expect(client.pool).to.include({ max: 3 });
      await first?.destroy();
    });

    it('is what `initialize()` makes anew, by initializePool()', async () => {
      await db.destroy();
      const calls: unknown[] = [];
      client.initializePool = function (config) {
        calls.push(config);
        Object.getPrototypeOf(client).initializePool.call(this, config);
      };
      db.initialize();
      expect(calls).to.have.lengthOf(1);
      await db.raw('select 1');
    });

    it('is not owned by knex in `_ownsPool` where it was given', function () {
      if (!('initializeExternalPool' in client)) return this.skip(); // knex 3.0 and 3.1 do not know connectionPool
      const pool: KnexPool = {
        acquire: () => ({ promise: Promise.reject(new Error('empty')) }),
        release: () => true,
        destroy: async () => {},
      };
      const counters = { numFree: () => 0, numUsed: () => 0, numPendingAcquires: () => 0 };
      const given = stage.knex({ connectionPool: Object.assign(pool, counters) as never });
      expect(given.client).to.include({ _ownsPool: false, pool });
      expect(client._ownsPool).to.be.true;
    });
  });

  describe('connection settings', () => {
    it('come from `connectionConfigProvider`, when `connectionConfigExpirationChecker()` says so', async () => {
      let asked = 0;
      const provider = () => {
        asked++;
        return stage.database.connection as Knex.PgConnectionConfig;
      };
      const provided = stage.knex({ connection: provider }).client as KnexClient;
      expect(provided.connectionConfigProvider).to.be.a('function');
      const open = async () => {
        const connection = await (provided.pool as unknown as { creator(): Promise<object> }).creator();
        await provided.destroyRawConnection(connection);
      };
      await open();
      await open();
      expect(asked).to.equal(1);
      expect(provided.connectionConfigExpirationChecker).to.be.null;
      provided.connectionConfigExpirationChecker = () => true;
      await open();
      await open();
      expect(asked).to.equal(2);
    });

    it('have no `connectionConfigProvider` where the connection is an object', () => {
      expect(client.connectionConfigProvider ?? undefined).to.be.undefined;
    });
  });

  describe('a connection', () => {
    it('is dropped at the next borrow where it is marked `__knex__disposed`', async () => {
      const connection = await client.acquireConnection();
      await client.releaseConnection(connection);
      Object.assign(connection, { __knex__disposed: new Error('marked') });
      const next = await client.acquireConnection();
      expect(next).not.to.equal(connection);
      await client.releaseConnection(next);
      await (connection as { end(): Promise<void> }).end(); // knex takes it for dead, and does not close it
    });

    it('carries the id of its transaction in `__knexTxId`', async () => {
      let seen: unknown;
      const made = client.transaction((trx) => {
        const connection = (trx.client as KnexClient).acquireConnection();
        return connection.then((each) => {
          seen = transactionIdOf(each);
        });
      });
      await made;
      expect(seen).to.equal(made.txid);
    });
  });

  describe('copies by withUserParams()', () => {
    it('have a client of the same class, by `constructor.prototype`, and the same pool object', () => {
      class Marked extends (client.constructor as new () => object) {}
      Object.setPrototypeOf(client, Marked.prototype);
      const copy = db.withUserParams({}).client as KnexClient;
      expect(copy).to.be.an.instanceof(Marked).and.not.equal(client);
      expect(copy.pool).to.equal(client.pool);
      expect(copy.driver).to.equal(client.driver);
    });

    it('have the own enumerable properties of the knex function', () => {
      const method = () => 'mine';
      Object.assign(db, { method });
      expect(db.withUserParams({})).to.have.property('method', method);
    });

    it('are what migrations are made of', async () => {
      Object.assign(db, { method: () => 'mine' });
      let seen: unknown;
      const migration = { up: async (knex: Knex) => void (seen = knex), down: async () => {}, config: { transaction: false } };
      const migrationSource = {
        getMigrations: async () => ['one'],
        getMigrationName: (name: string) => name,
        getMigration: async () => migration,
      };
      await db.migrate.latest({ migrationSource });
      expect(seen).to.be.a('function').with.property('method');
      expect((seen as Knex).client.pool).to.equal(client.pool);
    });
  });

  describe('runner()', () => {
    it('runs every builder: run() is called once, and settles with it', async () => {
      const runs: Promise<unknown>[] = [];
      class Watched extends (client.constructor as new () => KnexClient) {
        override runner(builder: object) {
          const runner = super.runner(builder);
          const run = runner.run;
          runner.run = () => {
            const result = run.call(runner);
            runs.push(result);
            return result;
          };
          return runner;
        }
      }
      Object.setPrototypeOf(client, Watched.prototype);
      await db.raw('select 1');
      await db('pg_class').first();
      await db.schema.hasTable('t');
      await db.transaction((trx) => trx.raw('select 1'));
      expect(runs).to.have.lengthOf(4);
      await Promise.all(runs);
    });
  });

  describe('stream()', () => {
    it('gets connection, statement, stream and options; the stream’s first `close` listener gives the connection back', async () => {
      const given: unknown[][] = [];
      class Watched extends (client.constructor as new () => KnexClient) {
        override stream(...args: [object, unknown, Duplex, unknown]) {
          given.push(args);
          return super.stream(...args);
        }
      }
      Object.setPrototypeOf(client, Watched.prototype);
      for await (const row of db.raw('select 1 as one').stream()) expect(row).to.deep.equal({ one: 1 });
      const [connection, statement, stream] = given[0] as [object, { sql: string }, Duplex];
      expect(statement).to.include({ sql: 'select 1 as one' });
      const released: object[] = [];
      client.releaseConnection = async (each) => void released.push(each);
      (stream.listeners('close')[0] as () => void).call(stream);
      expect(released.every((each) => each === connection)).to.be.true;
    });
  });

  describe('errors', () => {
    it('get the SQL with its bindings by assignment to `message`', async () => {
      const compiling = stage.knex({ compileSqlOnError: true });
      // The question mark of an operator takes the binding's place, which pg's own `$1` does not.
      const error = await failure(compiling.raw("select '{}'::jsonb \\? ?, 1/0", ['shown']));
      expect(error.message).to.match(/^select '{}'::jsonb 'shown' \$1, 1\/0 - /);
    });
  });

  describe('KnexTimeoutError', () => {
    it('is what a borrower gets who waits too long, with its text', async () => {
      const narrow = stage.knex({ pool: { max: 1 }, acquireConnectionTimeout: 20 });
      const trx = await narrow.transaction();
      const error = await failure(narrow.raw('select 1'));
      expect(error).to.be.an.instanceof(knexBuild().KnexTimeoutError);
      expect(error.message).to.include('pool is probably full');
      await trx.rollback();
    });
  });

  describe('a transaction', () => {
    function transactionOf(container: (trx: Knex.Transaction) => unknown): KnexTransaction {
      return client.transaction(container, { doNotRejectOnRollback: true } as never, null);
    }

    it('is made by `client.transaction(container, config, outer)`, before its first step', async () => {
      const handles: Knex.Transaction[] = [];
      const made = transactionOf((trx) => void handles.push(trx));
      expect(made).to.include({ client, outerTx: null, trxClient: undefined, _completed: false });
      expect(made.txid).to.match(/^trx\d+$/);
      expect(handles).to.be.empty;
      const trx = await until('it has begun', () => handles[0]);
      await trx.rollback();
      await made;
    });

    it('takes its steps by methods of its class: acquireConnection, begin, commit', async () => {
      expect(await stepsOf((trx) => trx.raw('select 1'))).to.deep.equal(['acquireConnection', 'begin', 'commit']);
    });

    it('takes them so: acquireConnection, begin, rollback', async () => {
      expect(await stepsOf(() => Promise.reject(new Error('no')))).to.deep.equal(['acquireConnection', 'begin', 'rollback']);
    });

    it('takes them so where it is nested: savepoint, release, rollbackTo', async () => {
      const inner = (container: (trx: Knex.Transaction) => Promise<unknown>) => (outer: Knex.Transaction) =>
        stepsOf(container, outer);
      expect(await db.transaction(inner((trx) => trx.raw('select 1')))).to.deep.equal([
        ...['acquireConnection', 'savepoint', 'release'],
      ]);
      expect(await db.transaction(inner(() => Promise.reject(new Error('no'))))).to.deep.equal([
        ...['acquireConnection', 'savepoint', 'rollbackTo'],
      ]);
    });

    /** The steps that knex takes, in their order, by a class of our own put under the object before its first step. */
    async function stepsOf(container: (trx: Knex.Transaction) => unknown, outer?: Knex.Transaction): Promise<string[]> {
      const steps: string[] = [];
      const owner = (outer?.client ?? client) as KnexClient;
      const made = owner.transaction(container as never, {} as never, null);
      const methods = Object.getPrototypeOf(made) as Record<string, (...args: unknown[]) => unknown>;
      const controlled = Object.create(methods) as Record<string, unknown>;
      const names = ['acquireConnection', 'begin', 'savepoint', 'commit', 'release', 'rollback', 'rollbackTo'] as const;
      for (const name of names) {
        controlled[name] = function (this: KnexTransaction, ...args: unknown[]) {
          steps.push(name);
          return methods[name]!.apply(this, args);
        };
      }
      Object.setPrototypeOf(made, controlled);
      await made.catch(() => {});
      return steps;
    }

    it('stores the ends of its execution promise in `_resolver` and `_rejecter`, and settles by them', async () => {
      for (const [how, expected] of [
        ['commit', '_resolver'],
        ['rollback', '_rejecter'],
      ] as const) {
        const called: string[] = [];
        const handles: Knex.Transaction[] = [];
        const made = transactionOf((trx) => void handles.push(trx));
        for (const name of ['_resolver', '_rejecter'] as const) {
          let end: (value: unknown) => void = () => {};
          Object.defineProperty(made, name, {
            get: () => (value: unknown) => {
              called.push(name);
              end(value);
            },
            set: (given: (value: unknown) => void) => {
              end = given;
            },
          });
        }
        const trx = await until('it has begun', () => handles[0]);
        trx.executionPromise.catch(() => {});
        await trx[how](how === 'rollback' ? (new Error('back') as never) : 'value');
        await made.catch(() => {});
        expect(called).to.deep.equal([expected]);
      }
    });

    it('does not give back a connection that it was given by `config.connection`', async () => {
      const connection = await client.acquireConnection();
      const released: object[] = [];
      const { releaseConnection } = client;
      client.releaseConnection = async (each) => void released.push(each);
      await client.transaction((trx) => trx.raw('select 1') as never, { connection } as never, null);
      expect(released).to.be.empty;
      client.releaseConnection = releaseConnection;
      await client.releaseConnection(connection);
    });

    it('marks its end in `_completed`, which isCompleted() tells', async () => {
      const handles: Knex.Transaction[] = [];
      const made = transactionOf((each) => void handles.push(each));
      const trx = await until('it has begun', () => handles[0]);
      expect([made._completed, made.isCompleted(), trx.isCompleted()]).to.deep.equal([false, false, false]);
      await trx.commit();
      expect([made._completed, made.isCompleted(), trx.isCompleted()]).to.deep.equal([true, true, true]);
      await made;
    });

    it('queries through `trxClient`: `transacting`, of the client’s class, with own query() and stream()', async () => {
      const made = transactionOf((trx) => trx.raw('select 1'));
      await made;
      const { trxClient } = made;
      expect(trxClient).to.have.property('transacting', true);
      expect(Object.getPrototypeOf(trxClient)).to.equal(client.constructor.prototype);
      for (const name of ['query', 'stream']) expect(Object.hasOwn(trxClient as object, name)).to.be.true;
    });

    it('is named as `outerTx` by those inside it', async () => {
      const outers: unknown[] = [];
      class Watched extends (client.constructor as new () => KnexClient) {
        override transaction(...args: Parameters<KnexClient['transaction']>) {
          outers.push(args[2] ?? undefined);
          return super.transaction(...args);
        }
      }
      Object.setPrototypeOf(client, Watched.prototype);
      await db.transaction((trx) => trx.transaction((inner) => inner.raw('select 1')));
      expect(outers).to.have.lengthOf(2);
      expect(outers[0]).to.be.undefined;
      expect(outers[1]).to.have.property('txid');
    });

    it('answers each step with the query object, whose `response` is the driver’s', async () => {
      let answered: unknown;
      const handles: Knex.Transaction[] = [];
      const made = transactionOf((each) => void handles.push(each));
      const methods = Object.getPrototypeOf(made) as KnexTransaction;
      made.commit = async function (connection, value) {
        answered = await methods.commit.call(this, connection, value);
        return answered;
      };
      const trx = await until('it has begun', () => handles[0]);
      await trx.commit();
      await made;
      expect(answered).to.have.property('response').that.includes({ command: 'COMMIT' });
    });
  });
});
