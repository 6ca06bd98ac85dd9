// That `connectionState().connections` counts right while connections are opened, while a reset runs, and with a pool of the user's.
import { expect } from 'chai';
import { Pool } from 'pg';
import { failure, never } from '../support/outcome';
import { whyNoConnectionPool } from '../support/quiet-knex';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

const NONE = { idle: 0, inUse: 0, opening: 0, waiting: 0 };

describe('connectionState().connections', () => {
  const stage = useStage();
  let db: ResettableKnex;
  const counts = () => db.connectionState().connections;

  it('counts connections that are being opened, and the queries that wait', async () => {
    const proxy = await stage.proxy();
    db = stage.resettable({ through: proxy, pool: { max: 3 } });
    proxy.freeze();
    const queries = [1, 2, 3, 4, 5].map(() => db.raw('select pg_sleep(0.05)').then(() => {}));
    await until('three are on their way', () => counts().opening === 3);
    expect(counts()).to.deep.equal({ ...NONE, opening: 3, waiting: 5 });
    proxy.thaw();
    await until('they are open', () => counts().opening === 0);
    await Promise.all(queries);
    await until('all are back', () => counts().inUse === 0);
    expect(counts()).to.deep.equal({ ...NONE, idle: 3 });
  });

  const nowhere: Record<string, () => object> = {
    'because nobody listens': () => ({ ...stage.database.connection, port: 1 }),
    'because the server refuses it': () => ({ ...stage.database.connection, database: 'nowhere' }),
  };
  for (const [title, connection] of Object.entries(nowhere)) {
    it(`does not count connections that could not be opened (${title})`, async () => {
      db = stage.resettable({ connection: connection() });
      await failure(db.raw('select 1'));
      await until('it is not being opened any more', () => counts().opening === 0);
      expect(counts()).to.deep.equal(NONE);
    });
  }

  it('counts transactions, blocks and sandboxes as one connection each, whatever is open inside', async () => {
    db = stage.resettable();
    const trx = await db.transaction();
    await trx.transaction(async (inner) => {
      await inner.raw('select 1');
      expect(counts()).to.deep.equal({ ...NONE, inUse: 1 });
    });
    await db.atomic((block) =>
      block.atomic(() => expect(counts()).to.deep.equal({ ...NONE, inUse: 2 })).then(() => {}),
    );
    await trx.commit();
    const sandbox = await db.openSandbox();
    await Promise.all([db.raw('select 1'), db.transaction((inner) => inner.raw('select 2'))]);
    expect(counts()).to.deep.equal({ ...NONE, inUse: 1, idle: 1 });
    await sandbox.close();
    expect(counts()).to.deep.equal({ ...NONE, idle: 2 });
  });

  it('does not count a connection that has died', async () => {
    db = stage.resettable({}, { onFatal: 'discard' });
    await Promise.all([db.raw('select 1'), db.raw('select 2')]);
    const [backend] = await stage.database.backends();
    await stage.database.terminate(backend!.pid);
    await until('it is noticed', () => counts().idle === 1);
    expect(counts()).to.deep.equal({ ...NONE, idle: 1 });
  });

  describe('while a reset runs', () => {
    it('counts what may end by itself, and what waits for the reset', async () => {
      db = stage.resettable();
      const running = db.raw('select pg_sleep(0.3)').then(() => {});
      await stage.running('pg_sleep');
      const reset = db.resetConnection({ graceMillis: 5000 });
      const asked = [db.raw('select 1').then(() => {}), db.transaction((trx) => trx.raw('select 2'))];
      expect(db.connectionState()).to.include({ resetting: true });
      await until('both wait', () => counts().waiting === 2);
      expect(counts()).to.deep.equal({ ...NONE, inUse: 1, waiting: 2 });
      await running;
      await reset;
      await Promise.all(asked);
      // One of the two may have had the other's connection, and its own be on its way still.
      await until('none is on its way', () => counts().opening === 0);
      expect(counts()).to.include({ inUse: 0, waiting: 0 });
      expect(counts().idle).to.be.within(1, 2);
    });

    it('does not count a connection that is being closed', async () => {
      const proxy = await stage.proxy();
      db = stage.resettable({ through: proxy });
      const left = failure(db.transaction((trx) => trx.raw('select 1').then(never)));
      await db.raw('select 2');
      expect(counts()).to.deep.equal({ ...NONE, inUse: 1, idle: 1 });
      proxy.freeze();
      const reset = db.resetConnection();
      await until('both are let go', () => counts().inUse + counts().idle === 0);
      expect(db.connectionState()).to.include({ resetting: true });
      expect(counts()).to.deep.equal(NONE);
      proxy.thaw();
      await reset;
      await left;
      expect(counts()).to.deep.equal(NONE);
    });

    it('counts a connection that is being opened until it is given up', async () => {
      const proxy = await stage.proxy();
      db = stage.resettable({ through: proxy });
      proxy.freeze();
      const query = failure(db.raw('select 1'));
      await until('it is on its way', () => counts().opening === 1);
      const reset = db.resetConnection({ timeoutMillis: 300 });
      expect(await query).to.have.property('code', 'ERR_RESET');
      expect(db.connectionState()).to.include({ resetting: true });
      expect(counts()).to.deep.equal({ ...NONE, opening: 1 });
      await reset;
      expect(counts()).to.deep.equal(NONE);
    });
  });

  describeUnless(whyNoConnectionPool(), 'with a pool of the user’s', () => {
    let pool: Pool;
    beforeEach(() => {
      pool = new Pool({ ...stage.database.connection, max: 2 });
      pool.on('error', () => {});
      db = stage.resettable({ connectionPool: pool });
    });
    // Before the stage clears up, nothing of it may be in use any more.
    afterEach(() => (pool.ended ? undefined : pool.end()));

    it('counts what it has lent to the instance, and the queries that wait', async () => {
      expect(counts()).to.deep.equal(NONE);
      const held = [await db.transaction(), await db.transaction()];
      expect(counts()).to.deep.equal({ ...NONE, inUse: 2 });
      const asked = db.raw('select 1').then(() => {});
      expect(counts()).to.deep.equal({ ...NONE, inUse: 2, waiting: 1 });
      await held[0]?.commit();
      await asked;
      expect(counts()).to.deep.equal({ ...NONE, inUse: 1 });
      await held[1]?.commit();
      expect(counts()).to.deep.equal(NONE);
      expect(pool.idleCount).to.equal(2);
    });

    it('does not count connections of its owner', async () => {
      const client = await pool.connect();
      expect(counts()).to.deep.equal(NONE);
      client.release();
    });

    it('counts nothing after a reset', async () => {
      const left = failure(db.transaction((trx) => trx.raw('select 1').then(never)));
      await until('it is open', () => counts().inUse === 1);
      await db.resetConnection();
      await left;
      expect(counts()).to.deep.equal(NONE);
    });
  });
});
