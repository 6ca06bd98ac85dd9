// A test that has faked the clock: nothing of ours waits by it, so that nothing hangs for want of a tick.
import { expect } from 'chai';
import sinon from 'sinon';
import { ResetError } from '../../lib';
import { resetHooks } from '../../lib/mocha';
import { defer } from '../../lib/words/waiting';
import type * as Waiting from '../../lib/words/waiting';
import { failure, never, outcome, watch } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

const FAKED = ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'Date', 'performance'] as const;

describe('while the clock is faked', () => {
  const stage = useStage();
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(async () => {
    await stage.database.query('truncate t');
    db = stage.resettable();
    await db.raw('select 1');
  });
  afterEach(() => sinon.restore());

  /** Runs the work on a clock that stands still. */
  async function onFakeClock<T>(work: () => Promise<T>): Promise<T> {
    const clock = sinon.useFakeTimers({ toFake: [...FAKED] });
    try {
      const working = watch(work());
      await until('it is done', () => working.state !== 'pending', { timeoutMillis: 2000 });
      if (working.state === 'rejected') throw working.error;
      return working.value as T;
    } finally {
      clock.restore();
    }
  }

  for (const isolation of ['reset', 'recycle', 'sandbox'] as const) {
    describe(`resetHooks() with isolation: '${isolation}'`, () => {
      it('ends a test and begins the next', async () => {
        const hooks = resetHooks(db, { isolation });
        await hooks.beforeEach();
        await onFakeClock(async () => {
          await db('t').insert({ id: 1 });
          await db.atomic((trx) => trx('t').insert({ id: 2 }));
          await hooks.afterEach();
          await hooks.beforeEach();
          await db.raw('select 1');
          await hooks.afterEach();
        });
        await hooks.afterAll();
      });

      it('ends a test that leaves something open', async () => {
        const hooks = resetHooks(db, { isolation });
        await hooks.beforeEach();
        const error = await onFakeClock(async () => {
          await db.transaction();
          void failure(db.raw('select pg_sleep(30)'));
          await stage.running('pg_sleep');
          return failure(hooks.afterEach());
        });
        expect(error).to.have.property('name', 'LeakError');
        await onFakeClock(() => hooks.afterAll());
      });
    });
  }

  it('waits by the clock of Node where a runner had faked the global one before this package was loaded', async () => {
    const file = require.resolve('../../lib/words/waiting');
    const loaded = require.cache[file];
    delete require.cache[file];
    // As jest does with `fakeTimers: { enableGlobally: true }`: only the global object, not the modules of Node.
    for (const name of ['setTimeout', 'clearTimeout', 'setImmediate'] as const) sinon.stub(globalThis, name);
    sinon.stub(globalThis, 'performance').value({ now: () => 0 });
    let fresh: typeof Waiting;
    try {
      fresh = require(file) as typeof Waiting;
    } finally {
      require.cache[file] = loaded;
      sinon.restore();
    }
    const waits = watch(Promise.all([fresh.nextTurn(), fresh.sleep(1)]));
    await until('it is done', () => waits.state === 'resolved', { timeoutMillis: 2000 });
    const deadline = new fresh.Deadline(0);
    await until('time goes on', () => deadline.lateMillis > 0, { timeoutMillis: 2000 });
  });

  describe('db.atomic()', () => {
    it('waits for a query that was not awaited', async () => {
      await onFakeClock(() =>
        db.atomic((trx) => {
          void trx('t')
            .insert({ id: 1 })
            .then(() => {});
        }),
      );
      expect(await stage.database.query('select * from t')).to.deep.equal([{ id: 1 }]);
    });

    it('waits for an inner block that was not awaited, and for what that starts', async () => {
      await onFakeClock(() =>
        db.atomic((trx) => {
          void trx.atomic(async (inner) => {
            await inner('t').insert({ id: 1 });
            void inner('t')
              .insert({ id: 2 })
              .then(() => {});
          });
        }),
      );
      expect(await stage.database.query('select * from t order by id')).to.deep.equal([{ id: 1 }, { id: 2 }]);
    });

    it('rejects when its connection dies', async () => {
      const error = await onFakeClock(() =>
        failure(
          db.atomic(async (trx) => {
            const { rows } = await trx.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid');
            await stage.database.observer.query('select pg_terminate_backend($1)', [rows[0].pid]);
            await never();
          }),
        ),
      );
      expect(error).to.include({ code: '57P01' });
    });
  });

  describe('resetConnection()', () => {
    for (const connections of ['close', 'recycle'] as const) {
      it(`ends a block whose callback never settles (${connections})`, async () => {
        const begun = defer();
        const block = outcome(
          db.atomic(async (trx) => {
            await trx('t').insert({ id: 1 });
            begun.resolve();
            await never();
          }),
        );
        await begun.promise;
        const { error } = await onFakeClock(async () => {
          await db.resetConnection({ connections });
          return block;
        });
        expect(error).to.be.instanceOf(ResetError);
        expect(await stage.database.query('select * from t')).to.deep.equal([]);
      });
    }

    it('closes a connection that is held by hand (recycle)', async () => {
      const connection = (await db.client.acquireConnection()) as object;
      const query = failure(db.raw('select pg_sleep(30)').connection(connection));
      await stage.running('pg_sleep');
      const report = await onFakeClock(() => db.resetConnection({ connections: 'recycle' }));
      expect(report).to.include({ recycledConnections: 0, closedConnections: 1 });
      expect(await query).to.be.instanceOf(ResetError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('stays within its bound when the server does not answer', async () => {
      const proxy = await stage.proxy();
      db = stage.resettable({ through: proxy });
      await db.raw('select 1');
      proxy.freeze();
      const report = await onFakeClock(() => db.resetConnection({ timeoutMillis: 300 }));
      expect(report).to.include({ forcedConnections: 1 });
    });
  });
});
