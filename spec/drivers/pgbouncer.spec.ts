// Through a PgBouncer that lends the server's connections by the transaction: its clients keep theirs, and no backend is their own.
import { expect } from 'chai';
import { isFatal, ResetError, TransactionFailedError, TransactionTimeoutError } from '../../lib';
import { FaultProxy } from '../support/fault-proxy';
import { failure } from '../support/outcome';
import { PgBouncer, whyNoPgBouncer } from '../support/pgbouncer';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

const reason = whyNoPgBouncer();

describeUnless(reason, 'through PgBouncer, in transaction mode', () => {
  const stage = useStage();
  let bouncer: PgBouncer;
  let db: ResettableKnex;

  before(async () => {
    bouncer = await PgBouncer.before(stage.database);
    await stage.database.query('create table t (id int primary key)');
  });
  beforeEach(() => {
    db = stage.resettable({ connection: bouncer.through(stage.database.connection) });
  });
  afterEach(() => stage.database.query('truncate t'));
  after(() => bouncer.dispose());

  const ids = async () => (await stage.database.query('select id from t order by id')).map(({ id }) => id as number);

  /** What is open or runs on the server; the connections that PgBouncer keeps are idle. */
  async function busy(): Promise<string[]> {
    return (await stage.database.backends())
      .filter(({ state }) => state !== 'idle')
      .map(({ state, query }) => `${state}: ${query}`);
  }

  it('stores what a block and its savepoints store, and runs its hooks', async () => {
    const hooks: string[] = [];
    await db.atomic(async (trx) => {
      trx.afterCommit(() => void hooks.push('committed'));
      await trx('t').insert({ id: 1 });
      await failure(trx.atomic((inner) => inner('t').insert({ id: 1 }) as never));
      await trx.atomic((inner) => inner('t').insert({ id: 2 }) as never);
    });
    expect([await ids(), hooks]).to.deep.equal([[1, 2], ['committed']]);
  });

  it('rejects where the server rolled back a transaction whose callback returned', async () => {
    const swallowed = db.transaction(async (trx) => {
      await trx('t').insert({ id: 1 });
      await failure(trx('t').insert({ id: 1 }));
    });
    expect(await failure(swallowed)).to.be.an.instanceof(TransactionFailedError);
    expect(await ids()).to.deep.equal([]);
  });

  it('asks the server for its kind for targetSessionAttrs, since PgBouncer does not pass it on', async () => {
    const through = { connection: bouncer.through(stage.database.connection) };
    for (const wanted of ['read-write', 'primary'] as const)
      await stage.resettable(through, { targetSessionAttrs: wanted }).raw('select 1');
    for (const [wanted, found] of [['read-only', 'read-write'] as const, ['standby', 'primary'] as const]) {
      const error = await failure(stage.resettable(through, { targetSessionAttrs: wanted }).raw('select 1'));
      expect(error.message).to.include(`expected a '${wanted}' server`).and.include(`is '${found}'`);
    }
  });

  it('cancels the statement of a block that ran out of time on the server', async () => {
    const block = db.atomic(
      async (trx) => {
        await trx('t').insert({ id: 1 });
        await trx.raw('select pg_sleep(60)');
      },
      { timeoutMillis: 300 },
    );
    expect(await failure(block)).to.be.an.instanceof(TransactionTimeoutError);
    await until('nothing runs', async () => (await busy()).length === 0);
    expect(await ids()).to.deep.equal([]);
    await db('t').insert({ id: 2 });
  });

  it('leaves nothing running and nothing locked on the server at a reset', async () => {
    const [idle, sleeping] = ['select 1', 'select pg_sleep(60)'].map((sql, id) =>
      failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id });
          await trx.raw(sql);
          await new Promise(() => {});
        }),
      ),
    );
    await stage.running('pg_sleep');
    await until('both are open', async () => (await busy()).length === 2);
    const report = await db.resetConnection();
    expect(report.abortedTransactions).to.have.lengthOf(2);
    // PgBouncer ends what its clients left in their transactions once it hears that they are gone.
    await until(
      'the server has let go',
      async () => [...(await busy()), ...(await stage.database.locks())].length === 0,
    );
    for (const error of [await idle, await sleeping]) expect(error).to.be.an.instanceof(ResetError);
    await db('t').insert({ id: 1 });
    expect(await ids()).to.deep.equal([1]);
  });

  it('works after a recycling reset', async () => {
    await db.raw('select 1');
    await db.resetConnection({ connections: 'recycle' });
    await db('t').insert({ id: 1 });
    expect(await ids()).to.deep.equal([1]);
  });

  it('fails only the block whose backend died', async () => {
    const block = failure(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        await trx.raw('select pg_sleep(60)');
      }),
    );
    const [pid] = await stage.running('pg_sleep');
    await stage.database.terminate(pid as number);
    expect(isFatal(await block)).to.equal(true);
    await db('t').insert({ id: 2 });
    expect(await ids()).to.deep.equal([2]);
  });

  it('serves more blocks than the server has connections', async () => {
    await Promise.all(
      Array.from({ length: 40 }, (_, id) =>
        db.atomic(async (trx) => {
          await trx('t').insert({ id });
          await trx.raw('select pg_sleep(0.002)');
        }),
      ),
    );
    expect(await ids()).to.have.lengthOf(40);
    expect(await stage.database.backends()).to.have.lengthOf.at.most(3);
  });

  it('finds out what became of a COMMIT whose answer was lost', async () => {
    const proxy = await FaultProxy.to({ port: bouncer.port });
    const behind = stage.resettable({ connection: proxy.through(bouncer.through(stage.database.connection)) });
    await behind.raw('select 1');
    proxy.cutAfter(/^Q.*COMMIT/s);
    await behind.atomic((trx) => trx('t').insert({ id: 1 }) as never, { verifyCommit: true });
    expect(await ids()).to.deep.equal([1]);
    await behind.destroy();
    await proxy.close();
  });
});
