// A test inside another with isolation 'reset', where nothing is undone: what it leaves is ended, what the outer one has open stays.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { resettable, ResetError } from '../../lib';
import { type ResetHooks, resetHooks } from '../../lib/mocha';
import { failure, outcome } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { SQLITE_ENGINES, sqliteClient, whyNot } from '../support/sqlite-engines';
import { type ResettableKnex, useStage } from '../support/stage';
import { itUnless } from '../support/unless';

type Hooks = Record<keyof ResetHooks, (given?: object) => Promise<void>>;

const OUTER = { name: 'outer', fullName: 'outer' };
const INNER = { name: 'inner', fullName: 'outer > inner' };

const hooksOf = (db: ResettableKnex) => resetHooks(db, { isolation: 'reset' }) as Hooks;

async function expectLeak(hooks: Hooks, db: Knex, trx: Knex.Transaction): Promise<void> {
  const told = outcome(trx.executionPromise);
  await trx('t').insert({ id: 1 });
  expect((await failure(hooks.afterEach(INNER))).message).to.include('left 1 transaction');
  expect((await told).error).to.be.instanceOf(ResetError);
  expect(await db('t')).to.be.empty;
}

describe('a test inside another that leaves a transaction', () => {
  const stage = useStage();
  let db: ResettableKnex;
  let hooks: Hooks;
  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(async () => {
    db = stage.resettable({ pool: { max: 2 } });
    hooks = hooksOf(db);
    await hooks.beforeEach(OUTER);
  });
  afterEach(() => hooks.afterAll());

  it('is rolled back also on a connection that the outer one had at its beginning', async () => {
    const before = await db.transaction();
    await hooks.beforeEach(INNER);
    await before.commit();
    await expectLeak(hooks, db, await db.transaction());
    expect(await stage.database.backends()).to.have.lengthOf(1);
    await hooks.afterEach(OUTER);
  });

  it('is rolled back also on a connection of the user’s own, which stays his', async () => {
    const own = new Client(stage.database.connection);
    await own.connect();
    await hooks.beforeEach(INNER);
    await expectLeak(hooks, db, await db.transaction(undefined, { connection: own } as never));
    expect((await own.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    await own.end();
    await hooks.afterEach(OUTER);
  });

  it('leaves the outer one its own', async () => {
    const trx = await db.transaction();
    await trx('t').insert({ id: 2 });
    await hooks.beforeEach(INNER);
    await expectLeak(hooks, db, await db.transaction());
    expect(await trx('t').pluck('id')).to.deep.equal([2]);
    await trx.rollback();
    await hooks.afterEach(OUTER);
  });

  for (const engine of SQLITE_ENGINES) {
    itUnless(
      whyNot(engine),
      `is rolled back where the connection has the data, SQLite in memory by ${engine}`,
      async () => {
        const config = { client: sqliteClient(engine), useNullAsDefault: true, pool: { min: 1, max: 1 } };
        const sqlite = stage.adopt(resettable(makeKnex({ filename: ':memory:' }, config)));
        const own = hooksOf(sqlite);
        await sqlite.schema.createTable('t', (table) => table.increments());
        await own.beforeEach(OUTER);
        await own.beforeEach(INNER);
        await expectLeak(own, sqlite, await sqlite.transaction());
      },
    );
  }
});
