// Events of a pool that the user owns, as heard by way of `knex.client.pool`.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { Pool as TarnPool } from 'tarn';
import { resettable } from '../../lib';
import { failure } from '../support/outcome';
import { whyNoConnectionPool } from '../support/quiet-knex';
import { useStage } from '../support/stage';
import { describeUnless } from '../support/unless';

const EVENTS = ['acquireRequest', 'acquireSuccess', 'createSuccess', 'release'] as const;

interface Emitter extends Record<'on' | 'removeListener', (event: string, listener: () => void) => void> {
  removeAllListeners(event: string): void;
}

describeUnless(whyNoConnectionPool(), 'knex.client.pool of a pool that was given', () => {
  const stage = useStage();
  let owned: TarnPool<Client>;

  beforeEach(() => {
    owned = own();
  });
  afterEach(() => owned?.destroy());

  function own(): TarnPool<Client> {
    const create = async () => {
      const client = new Client(stage.database.connection);
      client.on('error', () => {});
      await client.connect();
      return client;
    };
    return new TarnPool<Client>({ min: 0, max: 2, create, destroy: (client) => client.end() });
  }

  const make = () => stage.knex({ connectionPool: owned as unknown as Knex.ConnectionPool });
  const poolOf = (db: Knex) => db.client.pool as Emitter;

  /** What is heard while two queries run and a transaction. */
  async function heardOn(db: Knex): Promise<string[]> {
    const heard: string[] = [];
    for (const event of EVENTS) poolOf(db).on(event, () => heard.push(event));
    await db.raw('select 1');
    await db.transaction((trx) => trx.raw('select 2'));
    return heard;
  }

  it('calls the listener as on plain knex', async () => {
    const expected = await heardOn(make());
    expect(expected).to.include.members([...EVENTS]);
    await owned.destroy();
    owned = own();
    expect(await heardOn(stage.adopt(resettable(make())))).to.deep.equal(expected);
  });

  it('calls the listener after a reset', async () => {
    const db = stage.adopt(resettable(make()));
    let calls = 0;
    poolOf(db).on('acquireSuccess', () => calls++);
    await db.raw('select 1');
    await db.resetConnection();
    await db.raw('select 1');
    expect(calls).to.equal(2);
  });

  it('tells the owner of a connection that a reset closes', async () => {
    const db = stage.adopt(resettable(make()));
    const heard: string[] = [];
    for (const event of ['createSuccess', 'acquireSuccess', 'release', 'destroyRequest', 'destroySuccess'] as const)
      owned.on(event as 'release', () => heard.push(event));
    const trx = await db.transaction();
    const aborted = failure(trx.executionPromise);
    await db.resetConnection();
    await aborted;
    expect(heard).to.deep.equal(['createSuccess', 'acquireSuccess', 'release', 'destroyRequest', 'destroySuccess']);
  });

  it('tells nothing of an end with destroy(), which leaves the pool to its owner', async () => {
    const db = stage.adopt(resettable(make()));
    const heard: string[] = [];
    for (const event of ['destroyRequest', 'poolDestroyRequest', 'poolDestroySuccess'])
      poolOf(db).on(event, () => heard.push(event));
    await db.raw('select 1');
    await db.destroy();
    expect(heard).to.be.empty;
  });

  it('takes out the listeners of this instance alone', async () => {
    const db = stage.adopt(resettable(make()));
    const heard: string[] = [];
    owned.on('release', () => heard.push('owner'));
    poolOf(db).on('release', () => heard.push('instance'));
    poolOf(db).removeAllListeners('release');
    await db.raw('select 1');
    expect(heard).to.deep.equal(['owner']);
  });

  it('does not call a removed listener', async () => {
    const db = stage.adopt(resettable(make()));
    let calls = 0;
    const listener = () => calls++;
    poolOf(db).on('acquireSuccess', listener);
    await db.raw('select 1');
    poolOf(db).removeListener('acquireSuccess', listener);
    await db.raw('select 1');
    expect(calls).to.equal(1);
  });
});
