// A connection provider function around resets: asked again after each of them, and never in the way of one.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { defer, type Deferred } from '../../lib/words/waiting';
import { pidOf } from '../support/backend';
import { failure, outcome, watch } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('a connection provider', () => {
  const stage = useStage();
  let asked: number;
  /** Set: the provider waits for it before it answers. */
  let pause: Deferred<void> | undefined;

  beforeEach(() => {
    asked = 0;
    pause = undefined;
  });

  function provided(config: Knex.Config = {}): ResettableKnex {
    const connection = async () => {
      asked++;
      await pause?.promise;
      return { ...stage.database.connection } as Knex.PgConnectionConfig;
    };
    return stage.resettable({ ...config, connection });
  }

  it('is asked again after a reset that found every connection dead', async () => {
    const db = provided();
    await stage.database.terminate(await pidOf(db));
    await until('it is gone', () => db.connectionState().connections.idle === 0);
    expect(await db.resetConnection()).to.include({ closedConnections: 0 });
    await db.raw('select 1');
    expect(asked).to.equal(2);
  });

  for (const connections of ['close', 'recycle'] as const) {
    describe(`that has not answered when a reset comes (${connections})`, () => {
      it('serves no query that was asked before the reset', async () => {
        const db = provided();
        pause = defer();
        const query = failure(db.raw('create table never (id int)'));
        await until('it is asked', () => asked === 1);
        const reset = watch(db.resetConnection({ connections, timeoutMillis: 400 }));
        expect(await query).to.be.instanceOf(ResetError);
        pause.resolve();
        await until('the reset is over', () => reset.state === 'resolved');
        expect(reset.value).to.include({ rejectedWaiters: 1 });
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
        expect(await stage.database.query(`select to_regclass('never') as it`)).to.deep.equal([{ it: null }]);
      });

      it('does not delay the reset beyond its bound', async () => {
        const db = provided();
        pause = defer();
        const query = failure(db.raw('select 1'));
        await until('it is asked', () => asked === 1);
        const start = performance.now();
        await db.resetConnection({ connections, timeoutMillis: 300 });
        expect(performance.now() - start).to.be.below(300 + 1500);
        expect(await query).to.be.instanceOf(ResetError);
        pause.resolve();
        expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      });
    });
  }

  it('is asked again after the reset, and a connection by its late answer is closed', async () => {
    const [first, second] = [await stage.proxy(), await stage.proxy()] as const;
    const late = defer();
    const connection = async () => {
      const [way, wait] = ++asked === 1 ? [first, late.promise] : [second];
      await wait;
      return way.through(stage.database.connection) as Knex.PgConnectionConfig;
    };
    const db = stage.resettable({ connection });
    const query = failure(db.raw('select 1'));
    await until('it is asked', () => asked === 1);
    await db.resetConnection({ timeoutMillis: 300 });
    await query;
    const pid = await pidOf(db);
    expect(asked).to.equal(2);
    late.resolve();
    await until('the late one is opened and closed', () => first.accepted === 1 && first.connections === 0);
    expect(await pidOf(db)).to.equal(pid);
  });

  it("serves queries that are asked after a reset with connections: 'recycle', though it was called before", async () => {
    const db = provided({ pool: { max: 2 } });
    const trx = await db.transaction();
    pause = defer();
    Object.assign(db.client, { connectionConfigExpirationChecker: () => true });
    const before = failure(db.raw('select 1'));
    await until('it is asked', () => asked === 2);
    await db.resetConnection({ connections: 'recycle', timeoutMillis: 200 });
    expect(await before).to.be.instanceOf(ResetError);
    const after = [3, 4].map((n) => outcome(db.raw('select ?::int as n, pg_sleep(0.05)', [n])));
    pause.resolve();
    for (const { error } of await Promise.all(after)) expect(error).to.be.undefined;
    await failure(trx.executionPromise);
    expect(db.connectionState().connections).to.include({ inUse: 0, waiting: 0 });
  });

  it('does so as well when the server is slow to accept the connection', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy, pool: { max: 2 } });
    const trx = await db.transaction();
    const { accepted } = proxy;
    proxy.delayMillis = 150;
    const before = failure(db.raw('select 1'));
    await until('it is being opened', () => proxy.accepted > accepted);
    await db.resetConnection({ connections: 'recycle', timeoutMillis: 200 });
    proxy.delayMillis = 0;
    expect(await before).to.be.instanceOf(ResetError);
    const after = [3, 4].map((n) => outcome(db.raw('select ?::int as n, pg_sleep(0.05)', [n])));
    for (const { error } of await Promise.all(after)) expect(error).to.be.undefined;
    await failure(trx.executionPromise);
  });
});
