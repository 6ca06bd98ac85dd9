// Which real pool serves the next generation: that of the last one where it was only idle, and nobody can tell.
import { expect } from 'chai';
import type { ResettablePool } from '../../lib/pool/resettable-pool';
import { failure } from '../support/outcome';
import { hearPool, only } from '../support/pool-events';
import { type ResettableKnex, useStage } from '../support/stage';

describe('the pool of the next generation', () => {
  const stage = useStage();
  const realOf = (db: ResettableKnex) => (db.client.pool as ResettablePool).real.present;

  /** The second one: the first was knex's own. */
  async function second(): Promise<ResettableKnex> {
    const db = stage.resettable();
    await db.raw('select 1');
    await db.resetConnection();
    await db.raw('select 1');
    return db;
  }

  it('is the same when nothing was lent', async () => {
    const db = await second();
    const real = realOf(db);
    await db.resetConnection();
    expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
    await db.raw('select 1');
    expect(realOf(db)).to.equal(real);
  });

  it('leaves no timer behind', async () => {
    const db = await second();
    const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
    const before = timers();
    await db.resetConnection();
    expect(timers()).to.equal(before - 1);
  });

  it('leaves no timer behind when an opening has failed, which tarn would try again', async () => {
    let isDown = false;
    const connection = () => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(stage.database.connection));
    const db = stage.resettable({ connection, pool: { min: 0, max: 2, createRetryIntervalMillis: 60_000 } });
    await db.raw('select 1');
    await db.resetConnection();
    await db.raw('select 1');
    await db.resetConnection();
    const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
    const before = timers();
    isDown = true;
    await failure(db.raw('select 1'));
    await db.resetConnection();
    expect(timers()).to.equal(before);
    isDown = false;
    await db.raw('select 1');
  });

  it('is another one when something was lent', async () => {
    const db = await second();
    const real = realOf(db);
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    await db.resetConnection();
    await db.raw('select 1');
    expect(realOf(db)).not.to.equal(real);
  });

  it('is the same when there are listeners, which hear of no end', async () => {
    const db = await second();
    const heard = hearPool(db);
    const real = realOf(db);
    await db.resetConnection();
    await db.raw('select 1');
    expect(realOf(db)).to.equal(real);
    expect(only(heard, 'poolDestroyRequest', 'poolDestroySuccess')).to.be.empty;
  });

  it('is made by what initialize() is given, after destroy()', async () => {
    const db = await second();
    await db.destroy();
    db.initialize({ ...(db.client.config as object), pool: { min: 0, max: 3 } } as never);
    await db.raw('select 1');
    expect(db.client.pool.max).to.equal(3);
  });

  it('is made by what initialize() is given, after destroy() of an instance that was never used', async () => {
    const db = stage.resettable();
    await db.destroy();
    db.initialize({ ...(db.client.config as object), pool: { min: 0, max: 3 } } as never);
    await db.raw('select 1');
    expect(db.client.pool.max).to.equal(3);
  });
});
