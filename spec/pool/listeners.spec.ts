// Listeners of `knex.client.pool` are kept over the generations as an EventEmitter keeps them.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { hearPool, only } from '../support/pool-events';
import { useStage } from '../support/stage';

interface Emitter {
  on(event: string, listener: () => void): void;
  removeListener(event: string, listener: () => void): void;
  removeAllListeners(event: string): void;
}

describe('the listeners of knex.client.pool', () => {
  const stage = useStage();

  /** What is heard of one query in each of two generations; on plain knex the same pool stands for both. */
  async function heard(db: Knex, register: (pool: Emitter, hear: () => void) => void): Promise<number[]> {
    let calls = 0;
    await db.raw('select 1');
    register(db.client.pool as Emitter, () => calls++);
    const counts: number[] = [];
    for (let generation = 0; generation < 2; generation++) {
      await db.raw('select 1');
      counts.push(calls);
      calls = 0;
      if ('resetConnection' in db) await (db.resetConnection as () => Promise<unknown>)();
    }
    return counts;
  }

  const ways: Record<string, (pool: Emitter, hear: () => void) => void> = {
    'are called as often as they were put in': (pool, hear) => {
      pool.on('release', hear);
      pool.on('release', hear);
    },
    'are taken out one by one': (pool, hear) => {
      pool.on('release', hear);
      pool.on('release', hear);
      pool.removeListener('release', hear);
    },
    'are all taken out for one event': (pool, hear) => {
      pool.on('release', hear);
      pool.on('acquireSuccess', hear);
      pool.removeAllListeners('release');
    },
  };
  for (const [title, register] of Object.entries(ways)) {
    it(`${title}, as on plain knex`, async () => {
      const expected = await heard(stage.knex(), register);
      expect(await heard(stage.resettable(), register)).to.deep.equal(expected);
    });
  }

  /** What is heard of one query after that. */
  async function heardAfter(db: Knex, open: (db: Knex) => unknown): Promise<number> {
    let calls = 0;
    (db.client.pool as Emitter).on('release', () => calls++);
    await db.destroy();
    await open(db);
    await db.raw('select 1');
    return calls;
  }

  it('are gone after destroy() and initialize(), as on plain knex', async () => {
    for (const db of [stage.knex(), stage.resettable()])
      expect(await heardAfter(db, () => db.initialize())).to.equal(0);
  });

  it('hear of the end that initialize() did not wait for, once', async () => {
    const db = stage.resettable();
    const heard = hearPool(db);
    const held: object = await db.client.acquireConnection();
    const destroyed = db.destroy();
    db.initialize();
    await db.client.releaseConnection(held);
    await destroyed;
    await db.raw('select 1');
    expect(only(heard, 'poolDestroyRequest', 'poolDestroySuccess')).to.deep.equal([
      'poolDestroyRequest',
      'poolDestroySuccess',
    ]);
  });

  it('stay after destroy() and resetConnection()', async () => {
    const db = stage.resettable();
    expect(await heardAfter(db, () => db.resetConnection())).to.equal(1);
  });

  it('stay where a copy is initialized that was made before the reset, since the instance is open', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    await db.destroy();
    const copy = db.withUserParams({});
    await db.resetConnection();
    let calls = 0;
    (db.client.pool as Emitter).on('release', () => calls++);
    copy.initialize();
    await db.raw('select 1');
    expect(calls).to.equal(1);
  });
});
