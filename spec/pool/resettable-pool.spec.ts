// That the pool that people see in `knex.client.pool` means across resets what it meant before.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure, never } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

interface Counters {
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingCreates(): number;
}

describe('knex.client.pool', () => {
  const stage = useStage();

  function counters(db: Knex): number[] {
    const pool = db.client.pool as Counters;
    return [pool.numUsed(), pool.numFree(), pool.numPendingAcquires(), pool.numPendingCreates()];
  }

  async function hold(db: Knex): Promise<Knex.Transaction> {
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    return trx;
  }

  it('is one object for the life of the instance', async () => {
    const db = stage.resettable();
    const { pool } = db.client;
    await db.raw('select 1');
    await db.resetConnection();
    await db.raw('select 1');
    expect(db.client.pool).to.equal(pool);
    expect(db.withUserParams({}).client.pool).to.equal(pool);
  });

  it('counts as knex’s own does, before and after a reset', async () => {
    const observed: number[][][] = [];
    for (const db of [stage.knex({ pool: { max: 2 } }), stage.resettable({ pool: { max: 2 } })]) {
      const seen: number[][] = [];
      observed.push(seen);
      for (let generation = 0; generation < 2; generation++) {
        seen.push(counters(db));
        const holders = [await hold(db), await hold(db)];
        seen.push(counters(db));
        const waiting = db.raw('select 1').then(() => {});
        await until('it waits', () => counters(db)[2] === 1);
        seen.push(counters(db));
        await Promise.all(holders.map((trx) => trx.commit()));
        await waiting;
        await until('all are back', () => counters(db)[0] === 0);
        seen.push(counters(db));
        if ('resetConnection' in db) await (db as ResettableKnex).resetConnection();
        else {
          await db.destroy();
          db.initialize();
        }
      }
    }
    expect(observed[1]).to.deep.equal(observed[0]);
  });

  it('counts waiting queries while a reset runs', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy });
    await db.raw('select 1');
    proxy.freeze();
    const reset = db.resetConnection();
    const queries = Promise.all([db.raw('select 1'), db.raw('select 1')]);
    await until('both wait', () => counters(db)[2] === 2);
    expect(db.connectionState()).to.include({ resetting: true }).with.nested.property('connections.waiting', 2);
    proxy.thaw();
    await Promise.all([reset, queries]);
    expect(counters(db)[2]).to.equal(0);
  });

  it('gives min and max, also between two generations', async () => {
    const db = stage.resettable({ pool: { min: 1, max: 7 } });
    const limits = () => [db.client.pool.min, db.client.pool.max];
    expect(limits()).to.deep.equal([1, 7]);
    await db.raw('select 1');
    await db.resetConnection();
    expect(limits()).to.deep.equal([1, 7]);
    await db.raw('select 1');
    expect(limits()).to.deep.equal([1, 7]);
  });

  describe('on()', () => {
    const EVENTS = ['acquireRequest', 'acquireSuccess', 'createRequest', 'createSuccess', 'release', 'destroySuccess'];

    it('calls the listener in later generations', async () => {
      const db = stage.resettable();
      const heard: string[] = [];
      for (const event of EVENTS) db.client.pool.on(event, () => heard.push(event));
      await db.raw('select 1');
      const first = heard.splice(0);
      expect(first).to.deep.equal(['acquireRequest', 'createRequest', 'createSuccess', 'acquireSuccess', 'release']);
      await db.resetConnection();
      heard.length = 0;
      await db.raw('select 1');
      expect(heard).to.deep.equal(first);
    });

    it('does not call it for the package’s own requests', async () => {
      const db = stage.resettable();
      const heard: string[] = [];
      for (const event of EVENTS.slice(0, 4)) db.client.pool.on(event, () => heard.push(event));
      const held = failure(db.transaction((trx) => trx.raw('select 1').then(never)));
      await until('it is open', () => db.connectionState().transactions.length === 1);
      heard.length = 0;
      await db.resetConnection();
      expect(heard).to.be.empty;
      await held;
    });
  });

  describe('removeListener()', () => {
    it('removes the listener for good', async () => {
      const db = stage.resettable();
      let calls = 0;
      const listener = () => calls++;
      db.client.pool.on('createSuccess', listener);
      await db.raw('select 1');
      db.client.pool.removeListener('createSuccess', listener);
      await db.resetConnection();
      await db.raw('select 1');
      expect(calls).to.equal(1);
    });

    it('removes the listener between two generations', async () => {
      const db = stage.resettable();
      let calls = 0;
      const listener = () => calls++;
      db.client.pool.on('createSuccess', listener);
      await db.raw('select 1');
      await db.resetConnection();
      db.client.pool.removeListener('createSuccess', listener);
      await db.raw('select 1');
      expect(calls).to.equal(1);
    });
  });

  describe('removeAllListeners()', () => {
    it('removes all listeners of the event, and no others', async () => {
      const db = stage.resettable();
      const heard: string[] = [];
      for (const event of ['createSuccess', 'release']) db.client.pool.on(event, () => heard.push(event));
      db.client.pool.removeAllListeners('createSuccess');
      await db.raw('select 1');
      await db.resetConnection();
      await db.raw('select 1');
      expect(heard).to.deep.equal(['release', 'release']);
    });
  });
});
