// A driver that the package knows nothing of: PostgreSQL's, by a name of its own.
import { expect } from 'chai';
import type { Knex } from 'knex';
import type { ResettableOptions } from '../../lib';
import { beginOnMysql } from '../../lib/drivers/mysql/mysql';
import { otherDriver } from '../../lib/drivers/other';
import { pidOf } from '../support/backend';
import type { FaultProxy } from '../support/fault-proxy';
import { failure, millisOf, never, outcome, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('a driver that is not known', () => {
  const stage = useStage();
  let db: ResettableKnex;
  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(async () => {
    await stage.database.query('truncate t');
    db = make();
  });

  function make(options: ResettableOptions = {}, through?: FaultProxy): ResettableKnex {
    const Pg = stage.knex().client.constructor as new (...args: unknown[]) => object;
    class Strange extends Pg {
      driverName = 'strange';
    }
    return stage.resettable({ client: Strange as typeof Knex.Client, through }, { timeoutMillis: 600, ...options });
  }

  const one = async () => (await db.raw<{ rows: unknown[] }>('select 1 as one')).rows;
  const ids = () => stage.database.query('select id from t order by id');

  it('runs queries, and commits', async () => {
    expect(await one()).to.deep.equal([{ one: 1 }]);
    expect(await db.atomic((trx) => trx('t').insert({ id: 1 }).returning('id'))).to.deep.equal([{ id: 1 }]);
    await db.transaction((trx) => trx('t').insert({ id: 2 }));
    expect(await ids()).to.deep.equal([{ id: 1 }, { id: 2 }]);
  });

  it('rolls back', async () => {
    const mine = new Error('mine');
    const throwing = async (trx: Knex.Transaction) => {
      await trx('t').insert({ id: 1 });
      throw mine;
    };
    expect(await failure(db.atomic(throwing))).to.equal(mine);
    expect(await failure(db.transaction(throwing))).to.equal(mine);
    expect(await ids()).to.deep.equal([]);
  });

  it('rejects a commit that the server turned into a rollback when the answer says so', async () => {
    const swallowing = async (trx: Knex.Transaction) => {
      await trx.raw('select 1/0').catch(() => {});
      return 'value';
    };
    expect(await failure(db.atomic(swallowing))).to.include({ code: 'ERR_TRANSACTION_FAILED' });
    expect(await failure(db.transaction(swallowing))).to.include({ code: 'ERR_TRANSACTION_FAILED' });
  });

  it('aborts open transactions at a reset, and opens new connections afterwards', async () => {
    let isInside = false;
    const block = watch(
      db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        isInside = true;
        await never();
      }),
    );
    const handle = await db.transaction();
    await handle('t').insert({ id: 2 });
    await until('the block is inside', () => isInside);
    const report = await db.resetConnection();
    expect(report).to.include({ closedConnections: 2, forcedConnections: 0 });
    expect(report.abortedTransactions).to.have.lengthOf(2);
    await until('the block has failed', () => block.state === 'rejected');
    expect(block.error).to.include({ code: 'ERR_RESET' });
    expect(await failure(handle.commit())).to.include({ code: 'ERR_RESET' });
    expect(await one()).to.deep.equal([{ one: 1 }]);
    expect(await ids()).to.deep.equal([]);
  });

  it('rejects running queries at once, and reports that it had to cut their connections', async () => {
    const query = outcome(db.raw('select pg_sleep(2)'));
    const inside = db.atomic((trx) => trx.raw('select pg_sleep(2)'));
    const block = outcome(inside);
    await stage.running('pg_sleep', 2);
    const reset = db.resetConnection();
    expect(await millisOf(reset)).to.be.lessThan(500);
    expect((await query).error).to.include({ code: 'ERR_RESET' });
    expect((await block).error).to.include({ code: 'ERR_RESET' });
    expect(await reset).to.include({ abortedQueries: 1, closedConnections: 2, forcedConnections: 2 });
    expect(await one()).to.deep.equal([{ one: 1 }]);
  });

  it('stays within its bound when the server does not answer', async () => {
    const proxy = await stage.proxy();
    db = make({}, proxy);
    await one();
    proxy.freeze();
    const query = outcome(db.raw('select 1'));
    const idle = outcome(db.raw('select 2'));
    await until('one is on its way', () => db.connectionState().connections.inUse === 1);
    expect(await millisOf(db.resetConnection({ timeoutMillis: 400 }))).to.be.lessThan(1500);
    expect((await query).error).to.include({ code: 'ERR_RESET' });
    expect((await idle).error).to.include({ code: 'ERR_RESET' });
    proxy.thaw();
    expect(await one()).to.deep.equal([{ one: 1 }]);
  });

  describe('with a stream', () => {
    const MANY = 'select n from generate_series(1, 1000) n';
    const drain = async (stream: NodeJS.ReadableStream) => {
      let count = 0;
      for await (const _ of stream) count++;
      return count;
    };
    const pid = () => pidOf(db);

    it('reads it to its end, and keeps its connection', async () => {
      const before = await pid();
      expect(await drain(db.raw(MANY).stream())).to.equal(1000);
      expect(await pid()).to.equal(before);
    });

    it('reads it in a block, with other queries behind it', async () => {
      const read = await db.atomic((trx) => Promise.all([drain(trx.raw(MANY).stream()), trx('t').insert({ id: 1 })]));
      expect(read[0]).to.equal(1000);
      expect(await ids()).to.deep.equal([{ id: 1 }]);
    });

    it('rejects when it fails', async () => {
      expect(await failure(drain(db.raw('select 1/0').stream()))).to.include({ code: '22012' });
      expect(await one()).to.deep.equal([{ one: 1 }]);
    });

    it('discards the rest when its reader stops early, and leaves nothing in use', async () => {
      for await (const _ of db.raw('select n from generate_series(1, 100000) n').stream()) break;
      expect(await one()).to.deep.equal([{ one: 1 }]);
      await until('nothing is in use', () => db.connectionState().connections.inUse === 0);
      expect(await one()).to.deep.equal([{ one: 1 }]);
    });

    it('rejects its reader at a reset, whether the server is frozen or not', async () => {
      const proxy = await stage.proxy();
      db = make({}, proxy);
      for (const isFrozen of [false, true]) {
        const reading = outcome(drain(db.raw('select n, pg_sleep(0.001) from generate_series(1, 100000) n').stream()));
        await stage.running('generate_series');
        if (isFrozen) proxy.freeze();
        expect(await millisOf(db.resetConnection({ timeoutMillis: 400 }))).to.be.lessThan(1500);
        expect((await reading).error).to.include({ code: 'ERR_RESET' });
        proxy.thaw();
        expect(await one()).to.deep.equal([{ one: 1 }]);
        await until('the server has noticed', async () =>
          (await stage.database.backends()).every(({ query }) => !query.includes('generate_series')),
        );
      }
    });
  });

  for (const kind of ['atomic', 'transaction'] as const) {
    it(`rejects a COMMIT whose answer was lost as unknown, and does not run it again (${kind})`, async () => {
      const proxy = await stage.proxy();
      db = make({}, proxy);
      await one();
      let runs = 0;
      const insert = async (trx: Knex.Transaction) => {
        runs++;
        await trx('t').insert({ id: runs });
      };
      proxy.cutAfter(/COMMIT/);
      const options = kind === 'atomic' ? { retry: 3 } : {};
      expect(await failure(db[kind](insert, options) as Promise<unknown>)).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
      expect(runs).to.equal(1);
      proxy.swallowAnswersAfter(/COMMIT/);
      const swallowed = outcome(db[kind](insert, options) as Promise<unknown>);
      await until('both are stored', async () => (await ids()).length === 2);
      await db.resetConnection({ timeoutMillis: 300 });
      expect((await swallowed).error).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
      expect(runs).to.equal(2);
    });
  }

  it('sends statements that are asked at the same time in their order', async () => {
    const rows = await db.atomic((trx) => Promise.all([1, 2, 3].map((id) => trx('t').insert({ id }).returning('id'))));
    expect(rows.flat()).to.deep.equal([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  it('ends a block at its limit, and gives up the connection on which its query runs', async () => {
    const block = db.atomic((trx) => trx.raw('select pg_sleep(2)'), { timeoutMillis: 250 });
    expect(await failure(block)).to.include({ code: 'ERR_TRANSACTION_TIMEOUT' });
    await until('its connection is gone', () => {
      const { idle, inUse } = db.connectionState().connections;
      return idle + inUse === 0;
    });
  });

  it('fails a block whose connection died, and does not lend the connection again', async () => {
    const block = db.atomic(async (trx) => {
      await trx('t').insert({ id: 1 });
      await stage.database.terminate(await pidOf(trx));
      await trx.raw('select 1').catch(() => {});
      return 'value';
    });
    expect(await failure(block)).to.be.instanceOf(Error);
    expect(await one()).to.deep.equal([{ one: 1 }]);
    expect(await ids()).to.deep.equal([]);
  });

  it('rolls sandboxes back', async () => {
    const inside = await db.sandbox(async () => {
      await db('t').insert({ id: 1 });
      await db.transaction((trx) => trx('t').insert({ id: 2 }));
      return db('t').select('id').orderBy('id');
    });
    expect(inside).to.deep.equal([{ id: 1 }, { id: 2 }]);
    expect(await ids()).to.deep.equal([]);
  });

  it('closes its connections when they were to be recycled', async () => {
    const closed = await pidOf(db);
    expect(await db.resetConnection({ connections: 'recycle' })).to.include({
      closedConnections: 1,
      recycledConnections: 0,
    });
    await until('the server has let go', async () =>
      (await stage.database.backends()).every(({ pid }) => pid !== closed),
    );
    expect(await one()).to.deep.equal([{ one: 1 }]);
  });

  it('refuses features of PostgreSQL alone', async () => {
    const error = await failure(db.atomic(() => {}, { verifyCommit: true }));
    expect(error).to.be.instanceOf(TypeError).with.property('message').which.includes('strange');
  });

  it('begins a read-only block where knex does, and refuses it where knex ignores it', async () => {
    const readOnly = db.atomic((trx) => trx('t').insert({ id: 1 }), { readOnly: true });
    expect(await failure(readOnly)).to.include({ code: '25006' });
    expect(otherDriver({ driverName: 'mssql', close: async () => {} })).not.to.have.property('begin');
    const { begin } = otherDriver({ driverName: 'mariadb', close: async () => {} });
    const modes = { isolationLevel: 'repeatable read', readOnly: true } as Parameters<typeof beginOnMysql>[0];
    expect(begin?.(modes)).to.deep.equal(beginOnMysql(modes));
  });

  it('bounds destroy()', async () => {
    const hanging = outcome(db.raw('select pg_sleep(2)'));
    await stage.running('pg_sleep');
    expect(await millisOf(db.destroy())).to.be.lessThan(1500);
    expect((await hanging).error).to.include({ code: 'ERR_RESET' });
  });
});
