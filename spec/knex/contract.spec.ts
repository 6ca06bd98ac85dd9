// Each undocumented piece of knex that lib/knex relies on, on plain knex: when knex changes one, it fails here by name.
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { transactionIdOf } from '../../lib/knex/connection-mark';
import type { TransactionMaker } from '../../lib/knex/transaction-shape';
import { failure } from '../support/outcome';
import { knexBuild, logOf } from '../support/quiet-knex';
import { useStage } from '../support/stage';

describe('knex’s client', () => {
  const stage = useStage();
  let db: Knex;
  let client: TransactionMaker;

  beforeEach(() => {
    db = stage.knex();
    client = db.client as TransactionMaker;
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

  it('has `batchInsert()` in its `context`, which asks that for a transaction, later, and for nothing else', async () => {
    const { context } = db as unknown as { context: { batchInsert(...args: unknown[]): Promise<unknown> } };
    const asked: unknown[] = [];
    const inserting = context.batchInsert.call({ transaction: (work: unknown) => void asked.push(work) }, 't', [{}]);
    await Promise.resolve();
    expect(asked).to.be.empty;
    await inserting;
    expect(asked).to.have.lengthOf(1);
    const copy = db.withUserParams({}) as unknown as { context: object };
    expect(copy.context).not.to.equal(context);
  });

  it('closes them with `destroyRawConnection()`', async () => {
    const connection = await client.acquireRawConnection();
    expect(await stage.database.backends()).to.have.lengthOf(1);
    await client.destroyRawConnection(connection);
    expect(await stage.database.backends()).to.be.empty;
  });

  it('sets the search path with `setSchemaSearchPath(connection)`', async () => {
    const other = stage.knex({ searchPath: ['elsewhere'] }).client as TransactionMaker;
    const connection = (await other.acquireRawConnection()) as { query(sql: string): Promise<{ rows: unknown[] }> };
    await connection.query('set search_path = public');
    await other.setSchemaSearchPath?.(connection);
    const { rows } = await connection.query('show search_path');
    expect(rows).to.deep.equal([{ search_path: 'elsewhere' }]);
    await other.destroyRawConnection(connection);
  });

  describe('a connection', () => {
    it('is dropped at the next borrow when it is marked `__knex__disposed`', async () => {
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
        const connection = (trx.client as TransactionMaker).acquireConnection();
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
      const copy = db.withUserParams({}).client as TransactionMaker;
      expect(copy).to.be.an.instanceof(Marked).and.not.equal(client);
      expect(copy.pool).to.equal(client.pool);
      expect(copy.driver).to.equal(client.driver);
    });

    it('have the own enumerable properties of the knex function', () => {
      const method = () => 'mine';
      Object.assign(db, { method });
      expect(db.withUserParams({})).to.have.property('method', method);
    });

    it('are used to run migrations', async () => {
      Object.assign(db, { method: () => 'mine' });
      let seen: unknown;
      const migration = {
        up: async (knex: Knex) => void (seen = knex),
        down: async () => {},
        config: { transaction: false },
      };
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
      class Watched extends (client.constructor as new () => TransactionMaker) {
        override runner(builder: object) {
          const runner = super.runner(builder);
          const run = runner.run.bind(runner);
          runner.run = () => {
            const result = run();
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
      class Watched extends (client.constructor as new () => TransactionMaker) {
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
    it('is what a borrower gets that waits too long, with its text', async () => {
      const narrow = stage.knex({ pool: { max: 1 }, acquireConnectionTimeout: 1000 });
      const trx = await narrow.transaction();
      const error = await failure(narrow.raw('select 1'));
      expect(error).to.be.an.instanceof(knexBuild().KnexTimeoutError);
      expect(error.message).to.include('pool is probably full');
      await trx.rollback();
    });
  });
});
