// Connections that are being opened when something else happens.
import { expect } from 'chai';
import { failure, millisOf, never, watch } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';

const FAR_MILLIS = 4000;

describe('a connection that is being opened', () => {
  const stage = useStage();

  it('is closed at destroy(), which rejects the waiting queries', async () => {
    const proxy = await stage.proxy();
    proxy.freeze();
    const db = stage.resettable({ through: proxy }, { timeoutMillis: 300 });
    const query = watch(db.raw('select 1'));
    await until('it is being opened', () => db.connectionState().connections.opening === 1);
    expect(await millisOf(db.destroy())).to.be.below(FAR_MILLIS);
    await until('the query is told', () => query.state === 'rejected');
    expect(query.error).to.have.property('name', 'ResetError');
    proxy.thaw();
    await until('nothing is left', async () => (await stage.leftOnServer()).backends.length === 0);
    expect(db.connectionState().connections).to.deep.equal({ idle: 0, inUse: 0, opening: 0, waiting: 0 });
  });

  it('may hang: later ones are opened after createTimeoutMillis, and a reset is bounded', async () => {
    let isHanging = true;
    const connection = () => (isHanging ? never() : Promise.resolve(stage.database.connection));
    const pool = { min: 0, max: 1, createTimeoutMillis: 500 };
    const db = stage.resettable({ connection, pool });
    await failure(db.raw('select 1'));
    isHanging = false;
    await db.raw('select 1');
    const report = await db.resetConnection({ timeoutMillis: 500 });
    expect(report).to.include({ closedConnections: 1, forcedConnections: 0 });
    expect(report.durationMillis).to.be.below(FAR_MILLIS);
    await db.raw('select 1');
  });

  it('is closed when it comes after createTimeoutMillis', async () => {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isFirst = true;
    const afterCreate = (raw: object, done: (error: unknown, raw: object) => void) => {
      const isLate = isFirst;
      isFirst = false;
      void (isLate ? gate : Promise.resolve()).then(() => done(null, raw));
    };
    const db = stage.resettable({ pool: { min: 0, max: 1, createTimeoutMillis: 1000, afterCreate } });
    await failure(db.raw('select 1'));
    await db.raw('select 1');
    release();
    await until('the late one is closed', async () => (await stage.database.backends()).length === 1);
    await until('it is out of the books', () => db.connectionState().connections.idle === 1);
    await db.resetConnection();
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
  });
});

describe('a request that is held at the gate', () => {
  const stage = useStage();

  it('has its whole acquire timeout from the opening of the gate on', async () => {
    const db = stage.resettable({ pool: { min: 0, max: 1 }, acquireConnectionTimeout: 1000 });
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    const reset = db.resetConnection({ graceMillis: 1500 });
    await until('the gate is closed', () => db.connectionState().resetting);
    const query = watch(db.raw('select 1'));
    await reset;
    await until('it is served', () => query.state !== 'pending');
    expect(query.state).to.equal('resolved');
  });

  it('rejects when destroy() follows the reset', async () => {
    const db = stage.resettable({}, { timeoutMillis: 300 });
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    const reset = db.resetConnection({ graceMillis: 300 });
    const query = failure(db.raw('select 1'));
    const destroyed = db.destroy();
    await Promise.all([reset, destroyed]);
    expect((await query).message).to.match(/Unable to acquire a connection|destroy/);
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
  });
});

describe('a pool with min', () => {
  const stage = useStage();

  it('keeps no connection and no timer of an ended generation', async () => {
    const db = stage.resettable({ pool: { min: 2, max: 3, idleTimeoutMillis: 20, reapIntervalMillis: 10 } });
    await Promise.all([1, 2, 3].map(() => db.raw('select pg_sleep(0.05)')));
    await until('one of three is reaped', () => db.connectionState().connections.idle === 2);
    const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
    const before = timers();
    await db.resetConnection();
    expect(timers()).to.be.below(before);
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    await Promise.all([1, 2, 3].map(() => db.raw('select pg_sleep(0.05)')));
    await until('one of three is reaped again', () => db.connectionState().connections.idle === 2);
    await until('two are left on the server', async () => (await stage.database.backends()).length === 2);
  });
});
