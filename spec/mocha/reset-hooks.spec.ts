// What `resetHooks()` takes, what it returns, and what each function does by itself.
import { expect } from 'chai';
import type { Context } from 'mocha';
import type { OpenTransaction } from '../../lib';
import { type ResetHooks, resetHooks, type ResetHooksOptions } from '../../lib/mocha';
import { registeredOf } from '../../lib/registry';
import { failure, nextTurn } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { expectWarning } from '../support/process-problems';
import { until } from '../support/until';

describe('resetHooks()', () => {
  const stage = useStage();
  let db: ResettableKnex;
  let hooks: ResetHooks;

  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(() => {
    db = stage.resettable();
    hooks = resetHooks(db);
  });

  it('returns three functions that need no argument and no `this`', async () => {
    expect(Object.keys(hooks)).to.deep.equal(['beforeEach', 'afterEach', 'afterAll']);
    expect(Object.values(hooks).map((hook: () => void) => hook.length)).to.deep.equal([0, 0, 0]);
    const { beforeEach: start, afterEach: end, afterAll } = hooks;
    await start.call(undefined);
    await end.call(undefined);
    await afterAll.call(undefined);
  });

  it('does nothing before the first hook runs', () => {
    expect(db.connectionState()).to.deep.include({ generation: 0 });
  });

  const refused: [given: unknown, names: string[]][] = [
    [{ isolation: 'truncate' }, ['isolation', "'truncate'", "'reset'", "'recycle'", "'sandbox'", "'clean'"]],
    [{ leaks: 'error' }, ['leaks', "'error'", "'fail'", "'warn'", "'ignore'"]],
    [{ isolate: 'reset' }, ['isolate', 'isolation', 'leaks']],
    [{ leaks: true }, ['leaks', 'boolean true']],
    [null, ['null', 'options object']],
    ['sandbox', ['a string', 'options object']],
  ];
  for (const [given, names] of refused) {
    it(`throws a TypeError for ${JSON.stringify(given)}, at once`, () => {
      const act = () => resetHooks(db, given as ResetHooksOptions);
      expect(act).to.throw(TypeError);
      for (const name of names) expect(act).to.throw(name);
    });
  }

  it('throws a TypeError for an instance that is not resettable', async () => {
    for (const given of [undefined, null, {}, stage.knex(), 'db']) {
      expect(() => resetHooks(given as never)).to.throw(TypeError, /resettable/);
    }
    const trx = await db.transaction();
    expect(() => resetHooks(trx as never)).to.throw(TypeError, /resettable/);
    await trx.rollback();
  });

  it('says what is wrong in plain words', () => {
    expect(() => resetHooks(stage.knex() as never)).to.throw('a plain Knex instance; call resettable(knex) first');
    const act = () => resetHooks(db, { isolation: 'sandbox', except: ['t'] });
    expect(act).to.throw("except works with isolation 'clean' only, but isolation is 'sandbox'");
  });

  it('accepts a copy with user params', async () => {
    hooks = resetHooks(db.withUserParams({}) as ResettableKnex);
    await db.raw('select 1');
    await hooks.beforeEach();
    expect(db.connectionState()).to.deep.include({ generation: 1 });
    await hooks.afterAll();
  });

  describe('twice on one instance', () => {
    for (const isolation of ['sandbox', 'clean', 'recycle', 'reset'] as const) {
      it(`refuses hooks with '${isolation}' inside those with 'sandbox', and leaves the sandbox alone`, async () => {
        hooks = resetHooks(db, { isolation: 'sandbox' });
        const second = resetHooks(db, { isolation });
        await hooks.beforeEach();
        await db('t').insert({ id: 1 });
        const error = await failure(second.beforeEach());
        expect(error).to.include({ code: 'ERR_SANDBOX' });
        expect(error.message).to.include('resetHooks is active twice for this instance');
        await second.afterEach();
        expect(await db('t').pluck('id')).to.deep.equal([1]);
        await hooks.afterEach();
        expect(await stage.database.query('select * from t')).to.be.empty;
        // Those of the next describe.
        await second.beforeEach();
        await second.afterEach();
        await second.afterAll();
        await hooks.afterAll();
      });
    }
  });

  describe('with several instances', () => {
    it('uses an instance once that is given twice, also as a copy', async () => {
      hooks = resetHooks([db, db, db.withUserParams({}) as ResettableKnex], { isolation: 'sandbox' });
      await hooks.beforeEach();
      await db('t').insert({ id: 1 });
      await hooks.afterEach();
      expect(await stage.database.query('select * from t')).to.be.empty;
      await hooks.afterAll();
    });

    let other: ResettableKnex;
    beforeEach(() => {
      other = stage.resettable();
    });

    for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
      it(`makes one report of what a test leaves on each (${isolation})`, async () => {
        hooks = resetHooks([db, other], { isolation });
        await hooks.beforeEach();
        const left = [await db.transaction(), await other.transaction()];
        for (const trx of left) trx.executionPromise.catch(() => {});
        const { message } = await failure(hooks.afterEach());
        expect(message).to.include('left 2 transactions open');
        await hooks.beforeEach();
        for (const each of [db, other]) {
          await each('t').insert({ id: each === db ? 1 : 2 });
          await each('t').delete();
        }
        await hooks.afterEach();
        await hooks.afterAll();
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      });
    }

    it('cleans the others when one cannot be cleaned', async () => {
      const lost = stage.resettable({ connection: { ...stage.database.connection, database: 'nowhere' } });
      hooks = resetHooks([lost, db], { isolation: 'sandbox' });
      expect(await failure(hooks.beforeEach())).to.include({ code: '3D000' });
      await hooks.afterEach();
      await hooks.afterAll();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('opens no sandbox where one of them cannot have one', async () => {
      const lost = stage.resettable({ connection: { ...stage.database.connection, database: 'nowhere' } });
      hooks = resetHooks([db, other, lost], { isolation: 'sandbox' });
      expect(await failure(hooks.beforeEach())).to.include({ code: '3D000' });
      for (const each of [db, other]) {
        expect(each.connectionState().transactions).to.be.empty;
        expect(each.connectionState().connections).to.include({ inUse: 0 });
        await (await each.openSandbox()).close();
      }
      await hooks.afterAll();
    });

    it('leaves the next test its sandbox, when one that was given up fails later', async () => {
      const full = stage.resettable({ pool: { min: 0, max: 1 } });
      const held: unknown = await full.client.acquireConnection();
      hooks = resetHooks([db, full], { isolation: 'sandbox' });
      const givenUp = failure(hooks.beforeEach());
      const pinned = () => registeredOf('spec', db).ambient.pinned;
      const first = await until('it has its sandbox', pinned);
      const next = hooks.beforeEach();
      await until('the next test has another sandbox', () => pinned() && pinned() !== first);
      expect(await givenUp).to.include({ code: 'ERR_RESET' });
      await full.client.releaseConnection(held);
      await next;
      await db('t').insert({ id: 1 });
      await hooks.afterEach();
      expect(await stage.database.query('select * from t')).to.be.empty;
      await hooks.afterAll();
    });

    it('calls a function for them at each run', async () => {
      const runs = [db, [other, db]];
      hooks = resetHooks(() => runs.shift() as ResettableKnex);
      expect(runs).to.have.lengthOf(2);
      for (const [run, ofOther] of [0, 1].entries()) {
        await hooks.beforeEach();
        expect(db.connectionState().generation, `run ${run}`).to.be.greaterThan(run);
        expect(other.connectionState().generation).to.equal(ofOther);
        await hooks.afterEach();
        await hooks.afterAll();
      }
    });

    it('throws a TypeError for none, and when a function returns one that is not resettable', async () => {
      expect(() => resetHooks([])).to.throw(TypeError, /one instance or more, but was given an empty array/);
      expect(() => resetHooks([db, stage.knex() as ResettableKnex])).to.throw(TypeError, /resettable/);
      for (const given of [undefined, [], {}, stage.knex()]) {
        hooks = resetHooks((() => given) as never);
        expect(await failure(hooks.beforeEach())).to.be.instanceOf(TypeError);
      }
    });
  });

  describe('outside mocha', () => {
    it('throws from afterEach for a leak, once', async () => {
      await hooks.beforeEach();
      await db.transaction();
      const error = await failure(hooks.afterEach());
      expect(error).to.have.property('name', 'LeakError');
      expect(error.message).to.include('left 1 transaction open').and.to.include('reset-hooks.spec.ts');
      await hooks.afterEach();
      await hooks.beforeEach();
      await hooks.afterEach();
    });

    it('says once where each leak was opened, in the message and in the stack', async () => {
      await hooks.beforeEach();
      for (let i = 0; i < 2; i++) await db.transaction();
      const error = await failure(hooks.afterEach());
      for (const text of [error.message, error.stack ?? '']) {
        expect(text.match(/^ *at .*reset-hooks\.spec\.ts/gm)).to.have.length(2);
      }
    });

    it('throws for a query that waits for a connection', async () => {
      db = stage.resettable({ pool: { max: 1 } });
      hooks = resetHooks(db);
      await hooks.beforeEach();
      const queries = [failure(db.raw('select pg_sleep(30)')), failure(db('t'))];
      const { message } = await failure(hooks.afterEach());
      expect(message).to.include('pg_sleep').and.to.include('running');
      for (const query of queries) expect(await query).to.include({ code: 'ERR_RESET' });
    });

    it('throws for a connection that is held by hand', async () => {
      await hooks.beforeEach();
      const connection: unknown = await db.client.acquireConnection();
      expect(await failure(hooks.afterEach())).to.have.property('name', 'LeakError');
      await db.client.releaseConnection(connection);
    });

    it('does not throw for awaited queries, even if they failed', async () => {
      await hooks.beforeEach();
      await Promise.allSettled([1, 1, 2, 3, 3].map((id) => db('t').insert({ id })));
      await failure(db.raw('select * from nothing'));
      await hooks.afterEach();
      await db('t').delete();
    });

    it('handles the rejections of what it aborts', async () => {
      await hooks.beforeEach();
      void db.raw('select pg_sleep(30)').then(() => {});
      void db.transaction(async (trx) => {
        await trx.raw('select pg_sleep(30)');
      });
      await stage.running('pg_sleep', 2);
      await failure(hooks.afterEach());
      // Each spec fails for unhandled rejections.
      await nextTurn();
      await nextTurn();
      await hooks.afterAll();
    });

    it('leaves other rejections unhandled', async () => {
      await hooks.beforeEach();
      const heard: unknown[] = [];
      const emit = process.emit.bind(process) as (event: string, ...args: unknown[]) => boolean;
      const listener = (reason: unknown) => void heard.push(reason);
      const others = process.listeners('unhandledRejection');
      process.removeAllListeners('unhandledRejection').on('unhandledRejection', listener);
      emit('unhandledRejection', 'somebody’s', Promise.resolve());
      process.removeAllListeners('unhandledRejection');
      for (const other of others) process.on('unhandledRejection', other);
      expect(heard).to.deep.equal(['somebody’s']);
      await hooks.afterAll();
    });

    it("warns with leaks: 'warn'", async () => {
      hooks = resetHooks(db, { leaks: 'warn' });
      expectWarning(/LeakWarning: "my test" left 1 transaction open/);
      const context = { name: 'my test' };
      await (hooks.beforeEach as (given: object) => Promise<void>)(context);
      await db.transaction();
      await hooks.afterEach();
    });
  });

  describe('beforeEach', () => {
    for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
      it(`starts clean whatever is left, also a sandbox of the test's own (${isolation})`, async () => {
        hooks = resetHooks(db, { isolation });
        if (isolation !== 'sandbox') await db.openSandbox();
        await hooks.beforeEach();
        await hooks.beforeEach();
        await db('t').insert({ id: 1 });
        expect(await db('t')).to.have.lengthOf(1);
        await hooks.afterEach();
        await db('t').delete();
        expect(await stage.database.query('select * from t')).to.be.empty;
        await hooks.afterAll();
      });
    }

    it('opens an instance again that was destroyed', async () => {
      for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
        hooks = resetHooks(db, { isolation });
        await hooks.beforeEach();
        await hooks.afterEach();
        await db.destroy();
        db.initialize();
        await db.destroy();
        await hooks.beforeEach();
        await db.raw('select 1');
        await hooks.afterEach();
      }
    });
  });

  describe('afterAll', () => {
    for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
      it(`destroys the instance, whatever is open (${isolation})`, async () => {
        hooks = resetHooks(db, { isolation });
        await hooks.beforeEach();
        const trx = await db.transaction();
        const query = failure(trx.raw('select pg_sleep(30)'));
        await stage.running('pg_sleep');
        const start = performance.now();
        await hooks.afterAll();
        expect(performance.now() - start).to.be.lessThan(1500);
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
        await query;
        expect(db.connectionState().connections).to.include({ idle: 0, inUse: 0, opening: 0 });
      });
    }

    it('stops recording where queries are asked', async () => {
      db = stage.resettable({ pool: { max: 1 }, acquireConnectionTimeout: 1500 });
      hooks = resetHooks(db, { leaks: 'ignore' });
      // A full pool's error says where the query was asked that holds the only connection, if that was recorded.
      const whereAsked = async () => {
        const query = failure(db.raw('select pg_sleep(30)'));
        await stage.running('pg_sleep');
        const { holders } = await failure(db.raw('select 1'));
        await db.resetConnection();
        await query;
        return (holders as OpenTransaction[]).map(({ stack }) => stack).join();
      };
      await hooks.beforeEach();
      expect(await whereAsked()).to.include('reset-hooks.spec.ts');
      await hooks.afterAll();
      await db.resetConnection(); // it is destroyed
      expect(await whereAsked()).to.equal('');
    });
  });

  it('gives the hooks of mocha the time that a reset may take', async () => {
    let millis = 2000;
    const context = {
      currentTest: { fullTitle: () => 'a test' },
      runnable: () => ({}),
      timeout: (given?: number) => (given === undefined ? millis : ((millis = given), context)),
    };
    await hooks.beforeEach.call(context as unknown as Context);
    expect(millis).to.be.greaterThan(5000);
    millis = 0;
    await hooks.afterEach.call(context as unknown as Context);
    expect(millis).to.equal(0);
    await hooks.afterAll();
  });
});
