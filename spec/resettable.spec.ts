// What `resettable()` makes of an instance, which instances it takes, and who shares the reset.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { type ResettableOptions, resettable } from '../lib';
import { failure } from './support/outcome';
import { knexBuild } from './support/quiet-knex';
import { type ResettableKnex, useStage } from './support/stage';

const METHODS = ['resetConnection', 'atomic', 'sandbox', 'openSandbox', 'connectionState'] as const;

/** As vitest reads them, which wants an object pattern or nothing there. */
const writtenParameters = (method: object) => /^[^(]*\(([^)]*)/.exec(Function.prototype.toString.call(method))?.[1];

describe('resettable()', () => {
  const stage = useStage();

  it('returns the same instance, which works as before', async () => {
    const plain = stage.knex();
    const db = stage.adopt(resettable(plain));
    expect(db).to.equal(plain);
    expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    expect(await db.transaction((trx) => trx.raw('select 1').then(() => 'value'))).to.equal('value');
  });

  it('adds own, enumerable, bound functions', async () => {
    const db = stage.resettable();
    for (const name of METHODS) {
      expect(Object.getOwnPropertyDescriptor(db, name)).to.include({ enumerable: true });
      expect(db[name]).to.be.a('function');
    }
    // oxlint-disable-next-line typescript/unbound-method -- that they may be taken off is what is shown
    const { resetConnection, connectionState, atomic } = db;
    await resetConnection();
    expect(connectionState()).to.include({ generation: 1 });
    expect(await atomic(() => 'value')).to.equal('value');
  });

  it('gives length 0 to those whose arguments are all optional', () => {
    const db = stage.resettable();
    for (const name of ['resetConnection', 'openSandbox', 'connectionState'] as const) {
      expect(db[name], name).to.have.lengthOf(0);
    }
  });

  it('gives them no parameter that a runner could read', async () => {
    const db = stage.resettable();
    const sandbox = await db.openSandbox();
    for (const method of [db.resetConnection, db.openSandbox, db.connectionState, sandbox.close]) {
      expect(writtenParameters(method)).to.equal('');
    }
    await sandbox.close();
  });

  it('takes no context of vitest’s for options: it has no prototype, and the suite comes with it', async () => {
    const db = stage.resettable();
    const context = Object.assign(Object.create(null) as object, { aFixture: 1 });
    const reset = db.resetConnection as (...given: unknown[]) => Promise<unknown>;
    await reset(context, { name: 'the suite' });
    expect(await failure(reset(context))).to.be.instanceOf(TypeError);
    expect(await failure(reset({ aFixture: 1 }, {}))).to.be.instanceOf(TypeError);
  });

  it('leaves other instances and knex’s classes alone', () => {
    const before = stage.knex();
    stage.resettable();
    for (const other of [before, stage.knex()]) {
      expect(other).not.to.have.any.keys(...METHODS);
      expect(Object.getPrototypeOf(other.client)).to.have.property('constructor').with.property('name', 'Client_PG');
      expect(other.client.pool.constructor).to.equal(
        knexBuild()({ client: 'pg', connection: {} }).client.pool.constructor,
      );
    }
  });

  describe('called again', () => {
    it('returns the instance unchanged', () => {
      const db = stage.resettable();
      const methods = METHODS.map((name) => db[name]);
      const { pool } = db.client;
      expect(resettable(db)).to.equal(db);
      expect(resettable(db, undefined)).to.equal(db);
      expect(METHODS.map((name) => db[name])).to.deep.equal(methods);
      expect(db.client.pool).to.equal(pool);
    });

    it('returns a frozen instance, and one with a stub, unchanged', () => {
      const frozen = Object.freeze(stage.resettable());
      expect(resettable(frozen)).to.equal(frozen);
      const db = stage.resettable();
      const stub = async () => ({}) as never;
      db.resetConnection = stub;
      expect(resettable(db).resetConnection).to.equal(stub);
    });

    it('refuses options', () => {
      const db = stage.resettable({}, { timeoutMillis: 100 });
      expect(() => resettable(db, { timeoutMillis: 200 })).to.throw(TypeError, /first time/);
      expect(() => resettable(db, {})).to.throw(TypeError, /first time/);
      expect(() => resettable(db.withUserParams({}), { timeoutMillis: 200 })).to.throw(TypeError, /first time/);
    });
  });

  describe('given what it does not take', () => {
    const given: [title: string, make: () => unknown, names: string[]][] = [
      ['null', () => null, ['null', 'Knex instance']],
      ['undefined', () => undefined, ['undefined', 'Knex instance']],
      ['an empty object', () => ({}), ['object', 'Knex instance']],
      [
        'a config',
        () => ({ client: 'pg', connection: 'postgres://me:secret@db/x' }),
        ['client, connection', 'Knex instance'],
      ],
      ['the knex function', () => knexBuild(), ['function', 'Knex instance']],
      ['a string', () => 'postgres://me:secret@db/x', ['string', 'Knex instance']],
      ['a stand-in', () => Object.assign(() => {}, { client: { pool: {} } }), ['a function', 'Knex instance']],
      ['a client', () => stage.knex().client, ['Client_PG', 'Knex instance']],
      ['a builder', () => stage.knex()('t'), ['Builder', 'Knex instance']],
      [
        'a knex without a connection',
        () => knexBuild()({ client: 'pg' }),
        ['without a pool', 'with a connection pool'],
      ],
    ];
    it('says that it is the knex function itself', () => {
      const { message } = thrown(() => resettable(knexBuild() as never)) as Error;
      expect(message).to.include('the knex function itself; call it with a config');
    });

    for (const [title, make, names] of given) {
      it(`throws a TypeError for ${title} that says so`, () => {
        const error = thrown(() => resettable(make() as Knex));
        expect(error).to.be.an.instanceof(TypeError);
        for (const name of names) expect(error.message).to.include(name);
        expect(error.message).not.to.include('secret');
      });
    }

    it('throws a TypeError for a transaction, and leaves it as it was', async () => {
      for (const db of [stage.knex(), stage.resettable()]) {
        const trx = await db.transaction();
        expect(() => resettable(trx)).to.throw(TypeError, /transaction/);
        expect(trx).not.to.have.any.keys('resetConnection');
        await trx.raw('select 1');
        await trx.rollback();
      }
    });

    it('throws a TypeError for one that is frozen or sealed, and leaves it as it was', async () => {
      for (const close of [Object.freeze, Object.seal, Object.preventExtensions]) {
        const knex = close(stage.knex());
        const before = Object.getPrototypeOf(knex.client) as object;
        expect(() => resettable(knex)).to.throw(TypeError, 'but was given one that is frozen or sealed');
        expect(Object.getPrototypeOf(knex.client)).to.equal(before);
        expect((await knex.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      }
    });

    it('throws a TypeError for a destroyed instance', async () => {
      const db = stage.knex();
      await db.destroy();
      expect(() => resettable(db)).to.throw(TypeError, /pool/);
    });
  });

  describe('given bad options', () => {
    const refused: [given: unknown, names: string[]][] = [
      [null, ['null', 'options object']],
      [5, ['number 5', 'options object']],
      [() => {}, ['function', 'options object']],
      [{ graceMilis: 1 }, ['graceMilis', 'graceMillis']],
      [{ graceMillis: -1 }, ['graceMillis', 'number -1', 'milliseconds']],
      [{ timeoutMillis: '5000' }, ['timeoutMillis', "'5000'", 'milliseconds']],
      [{ onFatal: 'ignore' }, ['onFatal', "'ignore'", "'discard'", "'evict'", "'reset'"]],
      [{ isFatal: true }, ['isFatal', 'boolean true', 'a function']],
      [{ checkIdleMillis: NaN }, ['checkIdleMillis', 'NaN', 'milliseconds']],
      [{ checkTimeoutMillis: 0 }, ['checkTimeoutMillis', 'number 0', 'above 0']],
      [{ leakAfterMillis: '1' }, ['leakAfterMillis', "'1'", 'milliseconds']],
      [{ onLeak: 'warn' }, ['onLeak', 'a string', 'a function']],
      [{ ambient: 1 }, ['ambient', 'number 1', 'true or false']],
      [{ hooks: [] }, ['hooks', 'an array', 'an object']],
      [{ hooks: { afterComit: () => {} } }, ['hooks', 'afterComit', 'afterCommit']],
      [{ hooks: { afterCommit: 'yes' } }, ['hooks', 'afterCommit', 'a string', 'a function']],
    ];
    for (const [given, names] of refused) {
      const title = typeof given === 'function' ? 'a function' : JSON.stringify(given);
      it(`throws a TypeError for ${title}, and leaves the instance plain`, async () => {
        const db = stage.knex();
        const { pool } = db.client;
        const error = thrown(() => resettable(db, given as ResettableOptions));
        expect(error).to.be.an.instanceof(TypeError);
        for (const name of names) expect(error.message).to.include(name);
        expect(db).not.to.have.any.keys(...METHODS);
        expect(db.client.pool).to.equal(pool);
        expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      });
    }

    it('takes undefined values for absent ones', async () => {
      const db: ResettableKnex = stage.resettable({}, { graceMillis: undefined, onLeak: undefined } as never);
      const query = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      await db.resetConnection();
      await query;
    });
  });

  function thrown(work: () => unknown): Error {
    try {
      work();
    } catch (error) {
      return error as Error;
    }
    throw new Error('expected it to throw');
  }
});
