// Calls that overlap: what was asked before one of them fares as that one says, whatever an earlier one has said.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError, type ResetOptions } from '../../lib';
import { failure, nextTurn, outcome, watch } from '../support/outcome';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';
import { insert, storedIn, useTable } from './stage';

describe('a reset that is called while another one runs', () => {
  const stage = useTable();
  const stored = () => storedIn(stage);

  /** Its only connection is in use for as long as a grace lasts. */
  async function busy(): Promise<{ db: ResettableKnex; told: Promise<Error> }> {
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    const told = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    return { db, told };
  }

  const REQUEUE: ResetOptions = { waiting: 'requeue', graceMillis: 200, reason: 'the first' };

  const ASKED: [what: string, ask: (db: ResettableKnex) => PromiseLike<unknown>][] = [
    ['a query', insert],
    ['a transaction', (db) => db.transaction(insert)],
    ['a block', (db) => db.atomic(insert)],
    ['a block with retries', (db) => db.atomic(insert, { retry: { attempts: 3, when: () => true } })],
  ];

  for (const [what, ask] of ASKED) {
    it(`rejects ${what} that waits, and that the first was to ask again`, async () => {
      const { db, told } = await busy();
      const waiter = failure(ask(db));
      await until('it waits', () => db.connectionState().connections.waiting === 1);
      const first = db.resetConnection(REQUEUE);
      await nextTurn();
      const second = db.resetConnection({ waiting: 'reject', reason: 'the second' });
      expect(await waiter)
        .to.be.instanceOf(ResetError)
        .and.to.include({ reason: 'the second', generation: 1 });
      expect(await second).to.equal(await first);
      expect(await first).to.include({ reason: 'the first', rejectedWaiters: 1, requeuedWaiters: 0 });
      await told;
      await db.raw('select 1');
      expect(await stored()).to.deep.equal([]);
    });

    for (const when of ['in the tick of both', 'later'] as const) {
      it(`rejects ${what} that was asked after the first and before it, ${when}`, async () => {
        const { db, told } = await busy();
        const first = db.resetConnection({ graceMillis: 200 });
        if (when === 'later') await nextTurn();
        const between = failure(ask(db));
        if (when === 'later') await nextTurn();
        const second = db.resetConnection({ reason: 'the second' });
        expect(await between)
          .to.be.instanceOf(ResetError)
          .and.to.include({ reason: 'the second', generation: 1 });
        await Promise.all([first, second, told]);
        await db.raw('select 1');
        expect(await stored()).to.deep.equal([]);
      });
    }

    it(`serves ${what} that was asked after both`, async () => {
      const { db, told } = await busy();
      const first = db.resetConnection({ graceMillis: 200 });
      const second = db.resetConnection();
      const later = ask(db);
      expect(await second).to.equal(await first);
      await Promise.all([later, told]);
      expect(await stored()).to.deep.equal([{ id: 1 }]);
    });
  }

  it('asks again what waits if it says so, and the first has not rejected it', async () => {
    const { db, told } = await busy();
    const waiter = failure(db.raw('select 1'));
    await until('it waits', () => db.connectionState().connections.waiting === 1);
    const first = db.resetConnection();
    const between = outcome(insert(db));
    await nextTurn();
    const second = db.resetConnection({ waiting: 'requeue' });
    expect(await waiter).to.be.instanceOf(ResetError);
    expect(await second).to.equal(await first);
    expect(await first).to.include({ rejectedWaiters: 1, requeuedWaiters: 1 });
    expect((await between).error).to.equal(undefined);
    await told;
  });

  it('rejects a block that waits for a connection again, and counts it once', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 } });
    const conflict = Object.assign(new Error('conflict'), { code: '40001' });
    let holder: Knex.Transaction | undefined;
    const hold = () => void db.transaction().then((trx) => (holder = trx));
    const block = failure(db.atomic(() => Promise.reject(conflict), { retry: 2, hooks: { afterBegin: hold } }));
    await until('it waits', () => holder && db.connectionState().connections.waiting === 1);
    holder?.executionPromise.catch(() => {});
    const query = failure(db.raw('select 1'));
    await until('a query waits as well', () => db.connectionState().connections.waiting === 2);
    const first = db.resetConnection(REQUEUE);
    const second = db.resetConnection();
    for (const told of [block, query]) expect(await told).to.be.instanceOf(ResetError);
    expect(await second).to.include({ rejectedWaiters: 2, requeuedWaiters: 0 });
    await first;
  });

  it('gives the report its reason if the first has none', async () => {
    const { db, told } = await busy();
    const first = db.resetConnection({ graceMillis: 100 });
    await db.resetConnection({ reason: 'the second' });
    expect(await first).to.include({ reason: 'the second' });
    expect(await told).to.include({ reason: 'the second' });
  });

  it('is one of its own if the first had nothing to end, and something was asked meanwhile', async () => {
    const db = stage.resettable();
    const first = db.resetConnection();
    const between = failure(insert(db));
    const second = db.resetConnection({ reason: 'the second' });
    expect(await between)
      .to.be.instanceOf(ResetError)
      .and.to.include({ reason: 'the second', generation: 2 });
    expect(await first).to.include({ generation: 1, rejectedWaiters: 0 });
    expect(await second).to.include({ generation: 2, rejectedWaiters: 1 });
    expect(await stage.database.backends()).to.deep.equal([]);
    expect(await stored()).to.deep.equal([]);
  });

  it('shares the report of the first if neither had anything to end', async () => {
    const db = stage.resettable();
    const [first, second] = await Promise.all([db.resetConnection(), db.resetConnection()]);
    expect(second).to.equal(first);
    expect(db.connectionState().generation).to.equal(1);
  });
});

describe('destroy() between two resets', () => {
  const stage = useTable();

  it('does not concern what is asked after the second', async () => {
    const db = stage.resettable();
    const told = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const calls = [db.resetConnection(), db.destroy(), db.resetConnection()];
    const later = outcome(insert(db));
    await Promise.all([...calls, told]);
    expect((await later).error).to.equal(undefined);
  });

  it('rejects what was asked after the first', async () => {
    const db = stage.resettable();
    const told = failure(db.raw('select pg_sleep(30)'));
    await stage.running('pg_sleep');
    const first = db.resetConnection();
    const between = watch(insert(db));
    const calls = [first, db.destroy(), db.resetConnection()];
    await nextTurn();
    expect(between.error).to.be.instanceOf(ResetError);
    await Promise.all([...calls, told]);
    expect(await storedIn(stage)).to.deep.equal([]);
  });
});
