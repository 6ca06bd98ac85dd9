// Each call's bound is its own, whatever is under way with a longer one.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { failure, millisOf, never, outcome, watch } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';

/** How late timers and the like may make it. */
const SLACK = 1500;

describe('resetConnection({ timeoutMillis: 300 }) on a network that died', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));
  afterEach(async () => {
    for (const { pid } of await stage.database.backends()) await stage.database.terminate(pid);
  });

  type Db = ReturnType<typeof stage.resettable>;
  /** Before the network dies, after it, and what comes of it. */
  type Case = { prepare: (db: Db) => Promise<unknown>; begin: (db: Db, prepared: unknown) => unknown };

  const openTransaction = async (db: Db): Promise<{ told: Promise<unknown> }> => ({
    told: outcome((await db.transaction()).executionPromise),
  });

  const underWay: Record<string, Case> = {
    'while a block that failed cancels its query': {
      prepare: async (db) => {
        let fail: (error: Error) => void = () => {};
        const failing = new Promise<never>((_, reject) => {
          fail = reject;
        });
        const told = outcome(
          db.atomic(async (trx) => {
            trx.raw('select pg_sleep(30)').catch(() => {});
            await failing;
          }),
        );
        await stage.running('pg_sleep');
        return { fail, told };
      },
      begin: (_, prepared) => (prepared as { fail(error: Error): void }).fail(new Error('mine')),
    },
    'while a transaction is rolled back': {
      prepare: async (db) => db.transaction(),
      begin: (_, prepared) =>
        void outcome((prepared as { rollback(error: Error): Promise<void> }).rollback(new Error('mine'))),
    },
    'while a longer reset is under way': {
      prepare: (db) => db.raw('select 1'),
      begin: (db) => db.resetConnection({ timeoutMillis: 5000 }),
    },
    'while an eviction closes the others': {
      prepare: async (db) => {
        const raws = await Promise.all(
          [1, 2, 3].map(() => db.client.acquireConnection() as Promise<NodeJS.EventEmitter>),
        );
        for (const raw of raws) await db.client.releaseConnection(raw);
        return raws[0];
      },
      begin: (_, raw) =>
        (raw as NodeJS.EventEmitter).emit('error', Object.assign(new Error('gone'), { code: 'ECONNRESET' })),
    },
    'while a borrow check waits for its answer': {
      prepare: async (db) => {
        await db.raw('select 1');
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
      begin: (db) => void outcome(db.raw('select 1')),
    },
    'while the instance is being destroyed': { prepare: openTransaction, begin: (db) => void db.destroy() },
    'while a reset of before waits out its grace': {
      prepare: openTransaction,
      begin: (db) => db.resetConnection({ graceMillis: 60_000, timeoutMillis: 5000 }),
    },
    'while a connection is opened': { prepare: async () => {}, begin: (db) => void outcome(db.raw('select 1')) },
  };

  for (const [title, { prepare, begin }] of Object.entries(underWay)) {
    it(`resolves in time ${title}`, async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy }, { checkIdleMillis: 1, checkTimeoutMillis: 5000 });
      const prepared = await prepare(db);
      proxy.mode = 'blackhole';
      begin(db, prepared);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await millisOf(db.resetConnection({ timeoutMillis: 300 }))).to.be.below(300 + SLACK);
      expect(db.connectionState().resetting).to.equal(false);
      proxy.mode = 'pass';
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  }

  it('makes a running destroy() with a longer time end sooner, too', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy });
    const trx = await db.transaction();
    const told = failure(trx.executionPromise);
    proxy.mode = 'blackhole';
    const destroyed = watch(db.destroy());
    expect(await millisOf(db.resetConnection({ timeoutMillis: 300 }))).to.be.below(300 + SLACK);
    expect(destroyed.state).to.equal('resolved');
    expect(await told).to.be.an.instanceof(ResetError);
    proxy.mode = 'pass';
  });

  it('does not delay destroy(), and neither does its grace', async () => {
    const db = stage.resettable();
    const block = failure(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
    await until('it is open', async () => (await stage.database.backends())[0]?.state === 'idle in transaction');
    const reset = db.resetConnection({ graceMillis: 60_000 });
    expect(await millisOf(db.destroy())).to.be.below(2000);
    await reset;
    expect(await block).to.be.an.instanceof(ResetError);
  });
});

describe('a blocked event loop', () => {
  const stage = useStage();

  function block(millis: number): void {
    const end = performance.now() + millis;
    while (performance.now() < end);
  }

  it('does not fail a borrow check whose answer came in time', async () => {
    const db = stage.resettable({ pool: { max: 2 } }, { checkIdleMillis: 1, checkTimeoutMillis: 100 });
    const pidOf = async () => (await db.raw('select pg_backend_pid() as pid')).rows[0].pid as number;
    const pid = await pidOf();
    const trx = await db.transaction();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await trx.raw('select 1');
    const before = (await stage.database.backends()).map((backend) => backend.pid);
    const asked = Promise.all([pidOf(), trx.raw('select 1')]);
    setImmediate(block, 500);
    await asked;
    await trx.commit();
    expect((await stage.database.backends()).map((backend) => backend.pid)).to.include.members(before);
    expect(before).to.include(pid);
  });

  it('does not make a reset report a connection as forced that closed in time', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    const reset = db.resetConnection({ timeoutMillis: 300 });
    setImmediate(block, 600);
    expect(await reset).to.include({ closedConnections: 1, forcedConnections: 0 });
  });

  it('does not keep a reset from stopping what runs, though it has used up the time', async () => {
    const db = stage.resettable();
    const query = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const reset = db.resetConnection({ graceMillis: 50, timeoutMillis: 50 });
    setImmediate(block, 400);
    await reset;
    expect(await query).to.be.an.instanceof(ResetError);
    await until('the server has stopped it', async () => (await stage.leftOnServer()).backends.length === 0);
  });
});
