// That `connectionState()` shows what the instance holds at this moment.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure, never } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('connectionState()', () => {
  const stage = useStage();
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int)'));
  beforeEach(() => {
    db = stage.resettable({ pool: { max: 2 } });
  });

  it('shows an untouched instance', () => {
    expect(db.connectionState()).to.deep.equal({
      generation: 0,
      resetting: false,
      connections: { idle: 0, inUse: 0, opening: 0, waiting: 0 },
      transactions: [],
    });
  });

  it('counts connections that are opened, in use, idle, and waited for', async () => {
    const proxy = await stage.proxy();
    db = stage.resettable({ through: proxy, pool: { max: 2 } });
    const { connections } = { connections: () => db.connectionState().connections };
    proxy.freeze();
    const first = db.raw('select pg_sleep(0.4)').then(() => {});
    await until('it is being opened', () => connections().opening === 1);
    expect(connections()).to.deep.equal({ idle: 0, inUse: 0, opening: 1, waiting: 1 });
    proxy.thaw();
    await until('it runs', () => connections().inUse === 1);
    expect(connections()).to.deep.equal({ idle: 0, inUse: 1, opening: 0, waiting: 0 });
    const others = [db.raw('select pg_sleep(0.3)').then(() => {}), db.raw('select 1').then(() => {})];
    await until('both connections are lent', () => connections().inUse === 2);
    expect(connections()).to.deep.equal({ idle: 0, inUse: 2, opening: 0, waiting: 1 });
    await Promise.all([first, ...others]);
    await until('both are back', () => connections().inUse === 0);
    expect(connections()).to.deep.equal({ idle: 2, inUse: 0, opening: 0, waiting: 0 });
  });

  it('costs no query', async () => {
    await db.raw('select 1');
    const queries: string[] = [];
    db.on('query', ({ sql }: { sql: string }) => queries.push(sql));
    db.connectionState();
    expect(queries).to.be.empty;
  });

  describe('of an open transaction', () => {
    it('shows backend, times, depth, state and last SQL as they change', async () => {
      const openedAfter = Date.now();
      const trx = await db.transaction();
      const shown = () => db.connectionState().transactions[0]!;
      const [backend] = await stage.database.backends();
      expect(shown()).to.include({
        backendId: backend?.pid,
        depth: 1,
        state: 'idle',
        lastSql: 'BEGIN;',
        label: undefined,
      });
      expect(+shown().openedAt).to.be.within(openedAfter, Date.now());

      const sleeping = trx.raw('select pg_sleep(0.3), ?::int', [1]).then(() => {});
      await stage.running('pg_sleep');
      expect(shown()).to.include({ state: 'running', lastSql: 'select pg_sleep(0.3), $1::int' });
      expect(shown().ageMillis).to.be.within(0, Date.now() - openedAfter);
      await sleeping;
      expect(shown()).to.include({ state: 'idle' });

      const savepoint = await trx.transaction();
      expect(shown()).to.include({ depth: 2 });
      await failure(savepoint.raw('select 1/0'));
      expect(shown()).to.include({ state: 'failed', lastSql: 'select 1/0' });
      await savepoint.rollback();
      expect(shown()).to.include({ depth: 1, state: 'idle' });
      await trx.commit();
      expect(db.connectionState().transactions).to.be.empty;
    });

    it('shows no statement of an earlier borrower of its connection', async () => {
      const narrow = stage.resettable({ pool: { min: 0, max: 1 }, acquireConnectionTimeout: 300 });
      await narrow.raw('select 1');
      const sandbox = await narrow.openSandbox({ pinned: false });
      const full = await failure(narrow.raw('select 2'));
      expect(full).to.have.property('holders').that.has.lengthOf(1);
      expect(full.message).not.to.include('select 1');
      await sandbox.close();
      const raw: unknown = await narrow.client.acquireConnection();
      const { message } = await failure(narrow.raw('select 2'));
      expect(message)
        .to.include('Held by:')
        .and.not.to.match(/last: /);
      narrow.client.releaseConnection(raw);
    });

    it('shows the label of a block', async () => {
      await db.atomic(() => expect(db.connectionState().transactions[0]).to.include({ label: 'billing' }), {
        label: 'billing',
      });
    });

    it('lists them in the order in which they were opened', async () => {
      const first = await db.transaction();
      const second = await db.transaction();
      const [one, other] = db.connectionState().transactions;
      expect(+one!.id.slice(3)).to.be.below(+other!.id.slice(3));
      await first.commit();
      expect(db.connectionState().transactions.map(({ id }) => id)).to.deep.equal([other!.id]);
      await second.commit();
    });
  });

  describe('shows where a transaction was opened, the user’s frames first', () => {
    const ways: Record<string, (of: ResettableKnex) => unknown> = {
      'by transaction() with a callback': function opener(of) {
        return of.transaction((trx) => trx.raw('select 1').then(never));
      },
      'by transaction() without one': function opener(of) {
        return of.transaction().then((trx) => trx.executionPromise);
      },
      'by atomic()': function opener(of) {
        return of.atomic((trx) => trx.raw('select 1').then(never));
      },
      'by transactionProvider()': function opener(of) {
        return of
          .transactionProvider()()
          .then((trx: Knex.Transaction) => trx.executionPromise);
      },
      'on a copy': function opener(of) {
        return of.withUserParams({}).transaction((trx) => trx.raw('select 1').then(never));
      },
    };
    for (const [title, opener] of Object.entries(ways)) {
      it(title, async () => {
        const ended = failure(Promise.resolve(opener(db)));
        const shown = await until('it is open', () => db.connectionState().transactions[0]);
        expect(shown.stack.split('\n')[0]).to.match(/opener .*state\.spec\.ts/);
        await db.resetConnection();
        await ended;
      });
    }
  });

  it('counts the generations and says while a reset runs', async () => {
    await db.raw('select 1');
    const reset = db.resetConnection();
    expect(db.connectionState()).to.include({ resetting: true });
    await reset;
    expect(db.connectionState()).to.include({ resetting: false, generation: 1 });
  });
});
