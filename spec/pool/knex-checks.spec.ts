// The checks that a user has put into the pool's config, on a resettable instance: `validate` and `maxConnectionLifetimeMillis`, from knex 3.2 on.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failure, never, outcome } from '../support/outcome';
import { hearPool, only } from '../support/pool-events';
import { type ResettableKnex, useStage } from '../support/stage';
import { whyNoValidate } from '../support/quiet-knex';
import { describeUnless } from '../support/unless';
import { until } from '../support/until';

type Check = (connection: object) => unknown;

const noLog = new Error('the log is full');

function failing(): never {
  throw noLog;
}

describeUnless(whyNoValidate(), 'the checks of the pool’s config', () => {
  const stage = useStage();

  async function pidOf(db: Knex): Promise<number> {
    const { rows } = await db.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid');
    return rows[0].pid;
  }

  /** Tarn has each connection checked right after its opening as well: that is let pass. */
  function checkedBy(check: Check, config: Knex.PoolConfig = {}): ResettableKnex {
    const opened = new WeakSet<object>();
    const validate = (connection: object) => {
      if (opened.has(connection)) return check(connection);
      opened.add(connection);
      return true;
    };
    return stage.resettable({ pool: { min: 0, max: 1, ...config, validate } as Knex.PoolConfig });
  }

  const refusals: [how: string, check: Check][] = [
    ['says no', () => false],
    ['says no later', async () => false],
    [
      'throws',
      () => {
        throw new Error('no good');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no good'))],
  ];
  for (const [how, check] of refusals) {
    it(`replace a connection when validate() ${how}`, async () => {
      let isStrict = true;
      const db = checkedBy((connection) => (isStrict ? check(connection) : true));
      const first = await pidOf(db);
      const second = await pidOf(db);
      expect(second).not.to.equal(first);
      isStrict = false;
      expect(await pidOf(db)).to.equal(second);
      await until('the first backend is gone', async () => (await stage.database.backends()).length === 1);
    });
  }

  // Knex asks a connection function whose settings have expired before it lends a connection, and the pool reads the stack of what that throws.
  for (const reason of [undefined, null, 0, new Error('no settings')]) {
    for (const hasLog of [true, false]) {
      const title = `a connection function rejects with ${reason}${hasLog ? '' : ', and the log throws'}`;
      it(`replace a connection when ${title}`, async () => {
        let isExpired = false;
        const connection = () => {
          if (isExpired) throw reason;
          return Promise.resolve({ ...stage.database.connection, expirationChecker: () => isExpired });
        };
        const log = hasLog ? {} : { log: { warn: failing, error() {}, debug() {}, deprecate() {} } };
        const pool = { min: 0, max: 1 };
        const db = stage.resettable({ connection, pool, acquireConnectionTimeout: 3000, ...log });
        await pidOf(db);
        isExpired = true;
        // The new one needs the settings too.
        expect(await outcome(pidOf(db))).to.deep.equal({ error: hasLog ? reason : noLog });
        isExpired = false;
        expect(await pidOf(db)).to.be.a('number');
        expect(db.connectionState().connections).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
      });
    }
  }

  it('run for each borrow, also in the next generation', async () => {
    let asked = 0;
    const db = checkedBy(() => ++asked > 0);
    for (let i = 0; i < 3; i++) await pidOf(db);
    expect(asked).to.equal(2);
    await db.resetConnection();
    for (let i = 0; i < 3; i++) await pidOf(db);
    expect(asked).to.equal(4);
  });

  it('delay a borrower no longer than the acquire timeout when validate() never settles', async () => {
    let isHanging = true;
    const db = checkedBy(() => !isHanging || never(), { acquireTimeoutMillis: 1000 });
    await pidOf(db);
    const error = await failure(pidOf(db));
    expect(error.name).to.equal('KnexTimeoutError');
    isHanging = false;
    expect(await pidOf(db)).to.be.a('number');
    await until('one backend is left', async () => (await stage.database.backends()).length === 1);
  });

  for (const connections of ['close', 'recycle'] as const) {
    it(`do not delay a reset when validate() never settles, with connections: '${connections}'`, async () => {
      let isHanging = true;
      const db = checkedBy(() => !isHanging || never());
      await pidOf(db);
      const waiting = failure(pidOf(db));
      await until('it is being checked', () => db.client.pool.numPendingValidations() === 1);
      const report = await db.resetConnection({ connections });
      expect(report).to.include({ rejectedWaiters: 1, forcedConnections: 0 });
      expect((await waiting).name).to.equal('ResetError');
      isHanging = false;
      expect(await pidOf(db)).to.be.a('number');
      await until('one backend is left', async () => (await stage.database.backends()).length === 1);
    });
  }

  it('lend another connection where the one that they passed was closed meanwhile, since another one had died', async () => {
    let pass: () => void = () => {};
    const checked = new Promise<void>((resolve) => {
      pass = resolve;
    });
    const db = checkedBy(() => checked.then(() => true), { max: 2 });
    const heard = hearPool(db);
    const trx = await db.transaction();
    const first = await pidOf(db);
    const waiting = pidOf(db);
    await until('it is being checked', () => db.client.pool.numPendingValidations() === 1);
    const died = failure(trx.raw('select pg_terminate_backend(pg_backend_pid())'));
    await until('the first backend is gone', async () => {
      const backends = await stage.database.backends();
      return backends.every(({ pid }) => pid !== first);
    });
    await until('it is out of the books', () => db.connectionState().connections.idle === 0);
    pass();
    expect(await waiting).not.to.equal(first);
    expect((await died).message).to.include('terminat');
    await failure(trx.executionPromise);
    await db.resetConnection();
    // Tarn has told that it was lent.
    const [lent, released] = ['acquireSuccess', 'release'].map((event) => only(heard, event).length);
    expect([lent, released]).to.deep.equal([4, 4]);
  });

  it('replace a connection that is older than maxConnectionLifetimeMillis, also in the next generation', async () => {
    const pool = { min: 0, max: 1, maxConnectionLifetimeMillis: 400 };
    const db = stage.resettable({ pool: pool as Knex.PoolConfig });
    for (let generation = 0; generation < 2; generation++) {
      const first = await pidOf(db);
      await until('it is replaced', async () => (await pidOf(db)) !== first);
      await db.resetConnection();
    }
    expect(await stage.leftOnServer()).to.deep.equal({ backends: [], locks: [] });
  });
});
