// A knex that has renamed what lib/knex/ relies on is refused by resettable(), with the name and the version of knex: nothing goes on undefined.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { atomic, resettable } from '../../lib';
import { withMigrationLock } from '../../lib/migrations';
import { checkKnex, CLIENT } from '../../lib/knex/check-knex';
import { TARN } from '../../lib/knex/pool-shape';
import { TRANSACTION, type KnexTransaction, type TransactionMaker } from '../../lib/knex/transaction-shape';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';

type Make = new (...args: unknown[]) => KnexTransaction & Record<string, unknown>;

const build = process.env.KNEX_BUILD ?? 'knex';
const { version } = require(`${build}/package.json`) as { version: string };
const requiredOf = (shape: Readonly<Record<string, string>>) =>
  Object.keys(shape).filter((name) => shape[name] !== 'optional');

describe('resettable() with a knex that has renamed something', () => {
  const stage = useStage();

  function refusal(db: Knex): TypeError {
    try {
      resettable(db);
    } catch (error) {
      return error as TypeError;
    }
    throw new Error('it was not refused');
  }

  function expectRefusal(error: Error, absent: string): void {
    expect(error).to.be.an.instanceof(TypeError);
    expect(error.message).to.match(new RegExp(`^knex-reset relies on what Knex ${version} does not have: .*${absent}`));
    expect(error.message).to.include('update knex-reset');
  }

  /** Takes a field away that another name has now, wherever it is. */
  function rename(of: object, name: string): void {
    const value = (of as Record<string, unknown>)[name];
    for (let each = of; each && each !== Object.prototype; each = Object.getPrototypeOf(each) as object)
      if (Object.hasOwn(each, name)) {
        const own = Object.getOwnPropertyDescriptor(each, name) as PropertyDescriptor;
        undo.push(() => Object.defineProperty(each, name, own));
        delete (each as Record<string, unknown>)[name];
      }
    Object.assign(of, { [`${name}Renamed`]: value });
  }

  const undo: (() => void)[] = [];
  afterEach(() => {
    for (const each of undo.splice(0)) each();
  });

  for (const name of requiredOf(CLIENT)) {
    // Without these it is taken for no Knex instance, or another one.
    if (['config', 'logger', 'driverName'].includes(name)) continue;
    it(`refuses one whose client has no ${name}`, () => {
      const db = stage.knex();
      rename(db.client as object, name);
      const error = refusal(db);
      for (const each of undo.splice(0)) each();
      expectRefusal(error, `${name} of its client`);
    });
  }

  for (const name of requiredOf(TARN)) {
    it(`refuses one whose pool has no ${name}`, () => {
      const db = stage.knex();
      rename((db.client as TransactionMaker).pool as object, name);
      const error = refusal(db);
      for (const each of undo.splice(0)) each();
      expectRefusal(error, `${name} of its pool`);
    });
  }

  /** A knex whose transactions have another name for one field. */
  async function withRenamed(name: string): Promise<Knex> {
    const { client } = stage.knex();
    const made = client.transaction(() => Promise.resolve(), {}) as PromiseLike<unknown>;
    await made;
    const Plain = made.constructor as Make;
    class Renamed extends Plain {
      constructor(...args: unknown[]) {
        super(...args);
        if (Object.hasOwn(this, name)) delete this[name];
        else Object.defineProperty(this, name, { value: undefined });
      }
    }
    class Dialect extends (client.constructor as new (config: object) => TransactionMaker) {
      override transaction(...args: unknown[]) {
        return new Renamed(this, ...args);
      }
    }
    return stage.knex({ client: Dialect as never });
  }

  for (const name of requiredOf(TRANSACTION)) {
    it(`refuses one whose transactions have no ${name}`, async () => {
      expectRefusal(refusal(await withRenamed(name)), `${name} of its transaction`);
    });
  }

  it('refuses one that calls a connection function by another name', () => {
    const db = stage.knex({ connection: () => stage.database.connection as Knex.PgConnectionConfig });
    rename(db.client as object, 'connectionConfigProvider');
    expectRefusal(refusal(db), 'connectionConfigProvider of its client');
  });

  it('refuses one that sets the search path by another name', () => {
    const db = stage.knex({ searchPath: ['public'] });
    rename(db.client as object, 'setSchemaSearchPath');
    const error = refusal(db);
    for (const each of undo.splice(0)) each();
    expectRefusal(error, 'setSchemaSearchPath of its client');
  });

  it('refuses one that makes connections by another name', () => {
    const db = stage.knex();
    const client = db.client as TransactionMaker;
    const getPoolSettings = client.getPoolSettings.bind(client);
    const renamed = (config: object | undefined) => {
      const settings = getPoolSettings(config);
      return { ...settings, open: () => settings.create(), create: undefined } as never;
    };
    client.getPoolSettings = renamed;
    expectRefusal(refusal(db), 'create of its pool settings');
  });

  it('refuses a block in a transaction of knex’s when nested ones do not name the outer one', async () => {
    const db = stage.knex();
    const trx = await db.transaction();
    const own = Object.getOwnPropertyDescriptor(trx, 'transaction') as PropertyDescriptor;
    Object.defineProperty(trx, 'transaction', { value: async () => {}, configurable: true });
    expectRefusal(await failure(atomic(trx, async () => 'done')), 'a transaction that names the one around it');
    Object.defineProperty(trx, 'transaction', own);
    expect(await atomic(trx, async () => 'done')).to.equal('done');
    await trx.rollback();
  });

  it('refuses a block in a transaction of knex’s when it is settled by another name', async () => {
    const db = stage.knex();
    const machines: KnexTransaction[] = [];
    const client = db.client as TransactionMaker;
    const transaction = client.transaction.bind(client);
    const watched = (...args: Parameters<typeof transaction>) => {
      const made = transaction(...args);
      machines.push(made);
      return made;
    };
    client.transaction = watched;
    const trx = await db.transaction();
    const machine = machines[0] as KnexTransaction;
    const own = Object.getOwnPropertyDescriptor(machine, '_resolver') as PropertyDescriptor;
    Object.assign(machine, { _resolver: undefined });
    expectRefusal(await failure(atomic(trx, async () => 'done')), '_resolver of its transaction');
    Object.defineProperty(machine, '_resolver', own);
    await trx.rollback();
  });

  it('refuses to read the migrations when copies take the user’s processing by another name', async () => {
    const db = stage.resettable();
    const copy = db.withUserParams({});
    Object.defineProperty(copy, 'disableProcessing', { value: undefined });
    Object.defineProperty(db, 'withUserParams', { value: () => copy });
    expectRefusal(await failure(withMigrationLock(db, async () => 'done')), 'disableProcessing of its copies');
  });

  it('names everything that is missing', () => {
    const db = stage.knex();
    Object.assign(db.client as object, { acquireRawConnection: undefined, _query: undefined });
    expectRefusal(refusal(db), 'acquireRawConnection of its client, _query of its client');
  });

  it('leaves the instance as it was', async () => {
    const db = stage.knex();
    Object.assign(db.client as object, { getPoolSettings: undefined });
    refusal(db);
    expect((await db.raw('select 1 as n')).rows).to.deep.equal([{ n: 1 }]);
  });

  for (const name of ['_resolver', '_rejecter']) {
    it(`rejects each transaction before it has a connection when knex settles them by another name than ${name}`, async () => {
      const { client } = stage.knex();
      const made = client.transaction(() => Promise.resolve(), {}) as PromiseLike<unknown>;
      await made;
      const Plain = made.constructor as Make;
      class Renamed extends Plain {}
      Object.defineProperty(Renamed.prototype, name, {
        get() {
          return (this as Record<string, unknown>)[`${name}Renamed`];
        },
        set(value: unknown) {
          (this as Record<string, unknown>)[`${name}Renamed`] = value;
        },
      });
      class Dialect extends (client.constructor as new (config: object) => TransactionMaker) {
        override transaction(...args: unknown[]) {
          return new Renamed(this, ...args);
        }
      }
      const db = stage.resettable({ client: Dialect as never });
      const earlier = await stage.database.backends();
      let isCalled = false;
      const callback = async () => {
        isCalled = true;
      };
      for (const asked of [() => db.transaction(callback), () => db.atomic(callback)])
        expectRefusal(await failure(asked()), `${name} of its transaction`);
      expect(isCalled).to.be.false;
      expect(await stage.database.backends()).to.have.lengthOf(earlier.length);
    });
  }

  it('refuses a block in a transaction of such an instance that is not resettable', async () => {
    const db = stage.knex();
    const trx = await db.transaction();
    Object.assign(trx.client as object, { _query: undefined });
    const error = await failure(atomic(trx, async () => 'done'));
    delete (trx.client as { _query?: unknown })._query;
    expectRefusal(error, '_query of its client');
    await trx.rollback();
  });
});

describe('what the package relies on in Knex', () => {
  const dialects = [
    'postgres',
    'cockroachdb',
    'redshift',
    'mysql',
    'mysql2',
    'sqlite3',
    'better-sqlite3',
    'mssql',
    'oracledb',
  ];
  for (const name of dialects) {
    it(`exists in its dialect ${name}`, () => {
      const Dialect = require(`${build}/lib/dialects/${name}`) as new (config: object) => TransactionMaker;
      const client = new Dialect({ client: name, useNullAsDefault: true });
      // Without a connection it loads no driver.
      client.driver = {};
      client.pool = undefined;
      expect(() => checkKnex(client)).not.to.throw();
    });
  }
});
