// That knex's "pool is probably full" says who holds the connections.
import { expect } from 'chai';
import type { Knex } from 'knex';
import type { OpenTransaction } from '../../lib';
import { failure, never } from '../support/outcome';
import { knexBuild } from '../support/quiet-knex';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { type FullPoolError, later, listOf, narrow, WAITS_MILLIS } from './stage';

describe('the error of a full pool', () => {
  const stage = useStage();

  /** What somebody gets who asks for a connection in vain. */
  async function askedInVain(db: Knex): Promise<FullPoolError> {
    return (await failure(db.raw('select 1'))) as never;
  }

  it('keeps its class and its text', async () => {
    const [plain, db] = [stage.knex(narrow(1)), stage.resettable(narrow(1))];
    const errors: Error[] = [];
    for (const each of [plain, db]) {
      const trx = await each.transaction();
      errors.push(await askedInVain(each));
      await trx.rollback();
    }
    const [expected, error] = errors as [Error, FullPoolError];
    expect(error).to.be.an.instanceof(knexBuild().KnexTimeoutError);
    expect(error.name).to.equal(expected.name);
    expect(error.message.slice(0, expected.message.length)).to.equal(expected.message);
    expect(listOf(error)).to.have.lengthOf(1);
  });

  describe('with a query, a block, a stream and a transaction in the pool', () => {
    let db: ResettableKnex;
    let startedAt: number;
    let trx: Knex.Transaction;
    let lefts: Promise<unknown>[];
    let error: FullPoolError;

    // What is no transaction comes before what is one, so that their order is no accident.
    beforeEach(async () => {
      db = stage.resettable(narrow(4));
      startedAt = Date.now();
      const lent = (count: number) =>
        until(`${count} are lent`, () => db.connectionState().connections.inUse === count);
      lefts = [failure(db.raw('select pg_sleep(30), ?::int', [1]))];
      await stage.running('pg_sleep');
      await later();
      lefts.push(failure(db.atomic((block) => block.raw('select 2').then(never), { label: 'billing' })));
      await until('the block has asked', () => db.connectionState().transactions[0]?.lastSql === 'select 2');
      await later();
      const stream = db.raw('select n from generate_series(1, ?::int) n', [1_000_000]).stream();
      lefts.push(new Promise((resolve) => void stream.once('error', resolve)));
      await lent(3);
      await until('the stream has rows', () => stream.readableLength > 0);
      await later();
      trx = await db.transaction();
      await failure(trx.raw('select 1/0'));
      error = await askedInVain(db);
    });
    afterEach(async () => {
      await db.resetConnection();
      trx.executionPromise.catch(() => {});
      await Promise.all(lefts);
    });

    it('lists them in holders, the oldest first', async () => {
      const [query, block, stream, handle] = error.holders as [
        OpenTransaction,
        OpenTransaction,
        OpenTransaction,
        OpenTransaction,
      ];
      expect(error.holders).to.have.lengthOf(4);
      expect(query).to.include({ id: 'query', state: 'running', lastSql: 'select pg_sleep(30), $1::int', depth: 1 });
      expect(block).to.include({ label: 'billing', state: 'idle', lastSql: 'select 2' });
      expect(stream).to.include({ id: 'query', lastSql: 'select n from generate_series(1, $1::int) n' });
      expect(handle).to.include({ label: undefined, state: 'failed', lastSql: 'select 1/0' });
      const open = db.connectionState().transactions.map(({ id }) => id);
      expect([block.id, handle.id]).to.deep.equal(open);
      const backends = (await stage.database.backends()).map(({ pid }) => pid);
      expect(error.holders.map(({ backendId }) => backendId)).to.have.members(backends);
    });

    it('says how old each of them is', () => {
      const ages = error.holders.map(({ ageMillis }) => ageMillis);
      expect(ages).to.deep.equal(ages.toSorted((one, other) => other - one));
      expect(new Set(ages)).to.have.lengthOf(4);
      for (const { openedAt, ageMillis } of error.holders) {
        expect(+openedAt).to.be.within(startedAt, Date.now());
        expect(ageMillis).to.be.within(WAITS_MILLIS - 20, Date.now() - startedAt);
      }
    });

    it('lists them in its message in the same order: label or id, age, last SQL, where opened', () => {
      const [query, block, stream, handle] = listOf(error);
      const ages = error.holders.map(({ ageMillis }) => `${ageMillis} ms`);
      expect(listOf(error)).to.have.lengthOf(4);
      expect(query)
        .to.match(/^ {2}query, /)
        .and.to.include(`${ages[0]}, running, last: select pg_sleep(30), $1::int`);
      expect(block)
        .to.match(/^ {2}billing, /)
        .and.to.include(`${ages[1]}, idle, last: select 2, at `);
      expect(stream)
        .to.match(/^ {2}query, /)
        .and.to.include(ages[2])
        .and.to.include('generate_series(1, $1::int)');
      expect(handle).to.include(`  ${error.holders[3]?.id}, ${ages[3]}, failed, last: select 1/0, at `);
      for (const line of [block, handle]) expect(line).to.include('holders.spec.ts');
    });
  });

  const askers: Record<string, (db: ResettableKnex) => PromiseLike<unknown>> = {
    'a query': (db) => db('t'),
    'a stream': (db) => db('t').stream().toArray(),
    'a transaction with a callback': (db) => db.transaction((trx) => trx.raw('select 1')),
    'a transaction without one': (db) => db.transaction(),
    'a block': (db) => db.atomic((trx) => trx.raw('select 1')),
    'a query of a copy': (db) => db.withUserParams({})('t'),
  };
  for (const [title, ask] of Object.entries(askers)) {
    it(`rejects ${title}`, async () => {
      const db = stage.resettable(narrow(1));
      const trx = await db.transaction();
      const error = (await failure(ask(db))) as unknown as FullPoolError;
      expect(error).to.be.an.instanceof(knexBuild().KnexTimeoutError);
      expect(error.holders).to.have.lengthOf(1);
      expect(error.holders[0]).to.include({ id: db.connectionState().transactions[0]?.id, lastSql: 'BEGIN;' });
      await trx.commit();
    });
  }

  it('names a connection that is held by hand', async () => {
    const db = stage.resettable(narrow(1));
    const connection: unknown = await db.client.acquireConnection();
    const { holders } = await askedInVain(db);
    expect(holders).to.have.lengthOf(1);
    expect(holders[0]).to.include({ id: 'query', state: 'idle', stack: '' });
    await db.client.releaseConnection(connection);
  });

  it('does not name a borrower that has released its connection', async () => {
    const db = stage.resettable(narrow(2));
    await db.atomic((trx) => trx.raw('select 1'), { label: 'done' });
    const held = [await db.transaction(), await db.transaction()];
    expect((await askedInVain(db)).holders).to.have.lengthOf(2);
    await held[0]?.commit();
    const query = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const { holders } = await askedInVain(db);
    expect(holders.map(({ lastSql }) => lastSql)).to.deep.equal(['BEGIN;', 'select pg_sleep(30)']);
    await held[1]?.commit();
    await db.resetConnection();
    await query;
  });

  it('is the only error with holders', async () => {
    const db = stage.resettable(narrow(1));
    const trx = await db.transaction();
    const waiting = failure(db.raw('select 1'));
    await until('it waits', () => db.connectionState().connections.waiting === 1);
    await db.resetConnection();
    expect(await waiting).to.have.property('code', 'ERR_RESET');
    expect(await waiting).not.to.have.property('holders');
    await failure(trx.executionPromise);
    const nowhere = stage.resettable({ connection: { ...stage.database.connection, port: 1 } });
    expect(await askedInVain(nowhere))
      .to.include({ code: 'ECONNREFUSED' })
      .and.not.to.have.property('holders');
  });
});
