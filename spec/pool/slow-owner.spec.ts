// A pool of the user's that takes its time: what it gives too late goes straight back to it, as it is.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { ResetError } from '../../lib';
import { failure, watch } from '../support/outcome';
import { whyNoConnectionPool } from '../support/quiet-knex';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

/** Gives its one connection when it is told to. */
class SlowPool {
  readonly given: object[] = [];
  readonly released: object[] = [];
  readonly #client: Client;
  readonly #asked: ((client: Client) => void)[] = [];

  constructor(client: Client) {
    this.#client = client;
  }

  acquire() {
    return { promise: new Promise<Client>((resolve) => void this.#asked.push(resolve)) };
  }

  give(): void {
    this.given.push(this.#client);
    this.#asked.shift()?.(this.#client);
  }

  release(client: object): boolean {
    this.released.push(client);
    return true;
  }

  destroy = async () => {};
  numFree = () => 1;
  numUsed = () => 0;
  numPendingAcquires = () => this.#asked.length;
}

describeUnless(whyNoConnectionPool(), 'a pool of the user’s that gives late', () => {
  const stage = useStage();
  let client: Client;
  let pool: SlowPool;
  let db: ResettableKnex;

  beforeEach(async () => {
    client = new Client(stage.database.connection);
    client.on('error', () => {});
    await client.connect();
    pool = new SlowPool(client);
    db = stage.resettable({ connectionPool: pool as unknown as Knex.ConnectionPool }, { timeoutMillis: 300 });
  });
  afterEach(() => client.end());

  async function isUsable(): Promise<boolean> {
    const { rows } = await client.query<{ one: number }>('select 1 as one');
    return rows[0]?.one === 1;
  }

  const ends: Record<string, () => Promise<unknown>> = {
    'a reset': () => db.resetConnection(),
    'destroy()': () => db.destroy(),
  };
  for (const [title, end] of Object.entries(ends)) {
    it(`gets the connection back when ${title} has rejected the query that waited`, async () => {
      const query = failure(db.raw('select 1'));
      await until('it waits', () => db.connectionState().connections.waiting === 1);
      await end();
      expect(await query).to.be.an.instanceof(ResetError);
      pool.give();
      await until('it is back', () => pool.released.length === 1);
      expect(pool.released).to.deep.equal(pool.given);
      expect(await isUsable()).to.be.true;
      expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
    });
  }

  it('is asked again for a query that waited for a reset, and gets the first connection back', async () => {
    const query = watch(db.raw('select 1'));
    const report = await db.resetConnection({ waiting: 'requeue' });
    expect(report).to.include({ requeuedWaiters: 1, rejectedWaiters: 0 });
    await until('it is asked again', () => pool.numPendingAcquires() === 2);
    pool.give();
    await until('the first one is back', () => pool.released.length === 1);
    expect(query.state).to.equal('pending');
    pool.give();
    await until('the query is answered', () => query.state === 'resolved');
    await until('the second one is back', () => pool.released.length === 2);
  });
});
