// That a reset says what it found and did.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure, never } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection()', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  async function openWhereTheUserSaysSo(db: Knex): Promise<Knex.Transaction> {
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    return trx;
  }

  it('names a transaction once: neither the state nor a reset behind it has one that it has ended', async () => {
    const db = stage.resettable();
    await openWhereTheUserSaysSo(db);
    const hung = failure(db.atomic((trx) => trx.raw('select 1').then(never)));
    await until('both are open', () => db.connectionState().transactions.length === 2);
    expect((await db.resetConnection()).abortedTransactions).to.have.lengthOf(2);
    expect(db.connectionState().transactions).to.deep.equal([]);
    expect(await db.resetConnection()).to.deep.include({ abortedTransactions: [], closedConnections: 0 });
    expect(await hung).to.be.instanceOf(ResetError);
  });

  it('names no transaction whose connection had died before', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy }, { timeoutMillis: 800 });
    const block = failure(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        await trx.raw('select pg_sleep(30)');
      }),
    );
    const [pid] = await stage.running('pg_sleep');
    // No side connection gets through, so that the reset still finds the connection.
    proxy.mode = 'reject';
    proxy.reset();
    await block;
    expect(db.connectionState().transactions).to.deep.equal([]);
    expect(await db.resetConnection()).to.deep.include({ abortedTransactions: [], abortedQueries: 0 });
    proxy.mode = 'pass';
    await stage.database.terminate(pid as number);
  });

  describe('while five connections are busy', () => {
    it('describes each: backend, age, state, last SQL, depth, label, where it was opened', async () => {
      const db = stage.resettable();
      const startedAt = Date.now();
      const lefts: Promise<unknown>[] = [];

      const idle = await openWhereTheUserSaysSo(db);
      await idle('t').insert({ id: 4711 });
      const failed = await openWhereTheUserSaysSo(db);
      await failure(failed.raw('select 1/0'));
      const nested = await openWhereTheUserSaysSo(db);
      lefts.push(failure(nested.transaction((inner) => inner.raw('select 3').then(never))));
      lefts.push(
        failure(db.atomic((trx) => trx.raw('select pg_sleep(30), ?::int', [4711]), { label: 'the labelled one' })),
        failure(db.raw('select pg_sleep(31)')),
      );
      await stage.running('pg_sleep', 2);
      const pids = (await stage.database.backends()).map(({ pid }) => pid);
      await until('the savepoint is open', () => db.connectionState().transactions[2]?.depth === 2);

      const report = await db.resetConnection({ reason: 'the next test' });
      expect(report).to.include({ reason: 'the next test', abortedQueries: 1, closedConnections: 5 });
      const found = [...report.abortedTransactions].sort((one, other) => +one.openedAt - +other.openedAt);
      expect(found.map(({ state, depth, label, lastSql }) => ({ state, depth, label, lastSql }))).to.have.deep.members([
        { state: 'idle', depth: 1, label: undefined, lastSql: 'insert into "t" ("id") values ($1)' },
        { state: 'failed', depth: 1, label: undefined, lastSql: 'select 1/0' },
        { state: 'idle', depth: 2, label: undefined, lastSql: 'select 3' },
        { state: 'running', depth: 1, label: 'the labelled one', lastSql: 'select pg_sleep(30), $1::int' },
      ]);
      expect(pids).to.include.members(found.map(({ backendId }) => backendId));
      expect(new Set(found.map(({ id }) => id))).to.have.lengthOf(4);
      for (const { openedAt, ageMillis, id, stack } of found) {
        expect(id).to.match(/^trx\d+$/);
        expect(+openedAt).to.be.within(startedAt - 1, Date.now());
        expect(ageMillis).to.be.within(0, Date.now() - startedAt + 1);
        expect(stack.split('\n')[0]).to.include('report.spec.ts');
      }
      const plain = found.find(({ lastSql }) => lastSql?.startsWith('insert'));
      expect(plain?.stack).to.include('openWhereTheUserSaysSo');
      expect(JSON.stringify(report)).not.to.include('4711');
      await Promise.all(lefts);
    });
  });

  describe('the error of each victim', () => {
    it('describes the transaction', async () => {
      const db = stage.resettable();
      const block = failure(db.atomic((trx) => trx.raw('select 1').then(never), { label: 'billing' }));
      await until('it is open', () => db.connectionState().transactions.length === 1);
      const { abortedTransactions } = await db.resetConnection({ reason: 'late' });
      const error = await block;
      expect(error).to.be.an.instanceof(ResetError);
      expect(error.message).to.include('billing').and.include('late');
      expect(error.transaction).to.include({ id: abortedTransactions[0]?.id, label: 'billing' });
    });
  });

  it('says how long it took', async () => {
    const db = stage.resettable();
    const query = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const start = performance.now();
    const { durationMillis } = await db.resetConnection({ graceMillis: 100 });
    expect(durationMillis).to.be.within(100, performance.now() - start);
    await query;
  });
});
