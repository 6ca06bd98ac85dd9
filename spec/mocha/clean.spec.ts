// `resetHooks(db, { isolation: 'clean' })`: each test begins with empty tables, whatever the earlier ones have committed or left open.
import { expect } from 'chai';
import { type ResetHooks, resetHooks } from '../../lib/mocha';
import { failure } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

describe("resetHooks() with isolation 'clean'", () => {
  const stage = useStage();
  let db: ResettableKnex;
  let hooks: ResetHooks;

  before(() =>
    stage.database.query(`
      create table t (id serial primary key, note text);
      create table child (t_id int not null references t);
      create table countries (code text primary key);
      insert into countries values ('at');`),
  );
  beforeEach(() => {
    db = stage.resettable({ pool: { min: 0, max: 4 } });
    hooks = resetHooks(db, { isolation: 'clean', except: ['countries'] });
  });
  afterEach(() => hooks.afterAll());

  const insert = async (knex: ResettableKnex = db): Promise<number> => {
    const [row] = (await knex('t').insert({ note: 'x' }).returning('id')) as { id: number }[];
    return row?.id as number;
  };

  it('starts with empty tables and the first id, though tests commit from several connections', async () => {
    for (let test = 0; test < 3; test++) {
      await hooks.beforeEach();
      expect(await insert()).to.equal(1);
      await Promise.all(
        [1, 2, 3].map(() => db.transaction((trx) => trx.raw('insert into t (note) select 1 from pg_sleep(0.02)'))),
      );
      await stage.database.query('insert into child select id from t');
      expect(await db('countries').pluck('code')).to.deep.equal(['at']);
      await hooks.afterEach();
    }
  });

  it('starts with empty tables, although a test has left a transaction with locks', async () => {
    await hooks.beforeEach();
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    await trx.raw('lock table t in access exclusive mode');
    expect((await failure(hooks.afterEach())).message).to.include('left 1 transaction open');
    await hooks.beforeEach();
    expect(await insert()).to.equal(1);
    await hooks.afterEach();
  });

  it("cleans the connections as 'recycle' does", async () => {
    await hooks.beforeEach();
    await db.raw('set application_name = left_behind');
    await hooks.afterEach();
    await hooks.beforeEach();
    expect((await db.raw<{ rows: object[] }>('show application_name')).rows).to.deep.equal([{ application_name: '' }]);
    await hooks.afterEach();
  });

  it('empties the tables of several instances', async () => {
    const other = stage.resettable();
    hooks = resetHooks([db, other], { isolation: 'clean' });
    await hooks.beforeEach();
    await insert();
    await insert(other);
    await hooks.afterEach();
    await hooks.beforeEach();
    expect(await other('t')).to.be.empty;
    await hooks.afterEach();
    await stage.database.query("insert into countries values ('at')");
  });

  it('waits for a lock of another session, and names the holder', async () => {
    db = stage.resettable({ acquireConnectionTimeout: 2500 }, { timeoutMillis: 100 });
    hooks = resetHooks(db, { isolation: 'clean' });
    let millis = 1000;
    const context = {
      currentTest: { fullTitle: () => 'a test' },
      runnable: () => ({}),
      timeout: (given?: number) => (given === undefined ? millis : ((millis = given), context)),
    };
    await insert();
    const trx = await stage.resettable().transaction();
    await trx.raw('lock table t');
    const { message } = await failure(hooks.beforeEach.call(context));
    expect(message).to.match(/locked for longer than 2500 ms.*backend \d+/s);
    expect(millis).to.be.greaterThan(2500);
    await trx.rollback();
  });

  it('fails for a table in except that is not there, by its name', async () => {
    hooks = resetHooks(db, { isolation: 'clean', except: ['nowhere'] });
    expect((await failure(hooks.beforeEach())).message).to.include('nowhere');
  });

  it('refuses a database that it cannot empty, before any test runs', () => {
    const other = stage.resettable({ client: 'cockroachdb' });
    expect(() => resetHooks(other, { isolation: 'clean' })).to.throw(TypeError, 'not with cockroachdb');
  });

  it('accepts `except` only with this isolation, and only names', () => {
    for (const isolation of ['reset', 'recycle', 'sandbox', undefined] as const)
      expect(() => resetHooks(db, { isolation, except: ['t'] })).to.throw(TypeError, "'clean'");
    for (const except of ['t', [1], {}])
      expect(() => resetHooks(db, { isolation: 'clean', except: except as never })).to.throw(TypeError, 'except');
  });
});
