// One pool, several instances: each has its own options, generation, transactions and end. And what is the user's stays the user's.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { Pool as TarnPool } from 'tarn';
import { BlockControlError, resettable, ResetError } from '../../lib';
import { failure } from '../support/outcome';
import { whyNoConnectionPool } from '../support/quiet-knex';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { describeUnless } from '../support/unless';

describeUnless(whyNoConnectionPool(), 'instances that share a pool', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  interface Shared {
    pool: Knex.ConnectionPool;
    close(): Promise<unknown>;
  }
  const pools: Record<string, () => Shared> = {
    'a pg.Pool': () => {
      const pool = new Pool({ ...stage.database.connection, max: 5 } as object);
      pool.on('error', () => {});
      return { pool, close: () => pool.end() };
    },
    'a tarn pool': () => {
      const create = async () => {
        const client = new Client(stage.database.connection as object);
        client.on('error', () => {});
        await client.connect();
        return client;
      };
      const pool = new TarnPool<Client>({ min: 0, max: 5, create, destroy: (client) => client.end() });
      return { pool, close: () => pool.destroy() };
    },
    "a plain instance's KnexPool": () => {
      const owner = stage.knex();
      return { pool: owner.client.pool, close: () => owner.destroy() };
    },
    "a resettable instance's KnexPool": () => {
      const owner = stage.resettable();
      return { pool: owner.client.pool, close: () => owner.destroy() };
    },
  };

  for (const [title, make] of Object.entries(pools)) {
    describe(title, () => {
      let shared: Shared;
      let one: ResettableKnex;
      let other: ResettableKnex;

      beforeEach(() => {
        shared = make();
        one = stage.resettable({ connectionPool: shared.pool } as object, { onFatal: 'discard' });
        other = stage.resettable({ connectionPool: shared.pool } as object, { ambient: true });
      });
      afterEach(async () => {
        await Promise.all([one.destroy(), other.destroy()]);
        await shared.close();
        // A pg.Pool has ended before the server has let go.
        await until('nothing is left', async () => (await stage.database.backends()).length === 0);
      });

      it('have each a generation, a state and transactions of its own', async () => {
        const trx = await one.transaction();
        const mine = failure(trx.executionPromise);
        const theirs = await other.transaction();
        await theirs('t').insert({ id: 1 });
        expect(one.connectionState().transactions).to.have.length(1);
        const report = await one.resetConnection();
        expect(report.abortedTransactions.map(({ id }) => id)).to.have.length(1);
        expect(await mine).to.be.an.instanceof(ResetError);
        expect(one.connectionState().generation).to.equal(1);
        expect(other.connectionState()).to.deep.include({ generation: 0 });
        await theirs('t').insert({ id: 2 });
        await theirs.commit();
        expect(await one('t').pluck('id').orderBy('id')).to.deep.equal([1, 2]);
        await stage.database.query('delete from t');
      });

      it('end independently', async () => {
        await Promise.all([one.raw('select 1'), other.raw('select 1')]);
        await one.destroy();
        expect(await failure(one.raw('select 1'))).to.be.an.instanceof(Error);
        expect((await other.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
        await one.resetConnection();
        expect((await one.raw('select 2 as two')).rows).to.deep.equal([{ two: 2 }]);
      });

      it('have options of their own, which their copies share', async () => {
        const copy = other.withUserParams({ a: 1 }) as ResettableKnex;
        await other.atomic(async () => {
          await copy('t').insert({ id: 3 });
          expect(await one('t').pluck('id')).to.deep.equal([]);
        });
        await stage.database.query('delete from t');
        expect(() => resettable(one, { ambient: true })).to.throw(TypeError);
        expect(resettable(copy)).to.equal(copy);
      });
    });
  }
});

describeUnless(whyNoConnectionPool(), "an instance on a resettable instance's pool", () => {
  const stage = useStage();

  const ways: Record<string, (borrower: ResettableKnex, pid: number) => Promise<unknown>> = {
    'whose connection dies': (_, pid) => stage.database.query(`select pg_terminate_backend(${pid})`),
    'that is reset': (borrower) => borrower.resetConnection(),
    'that is destroyed': (borrower) => borrower.destroy(),
  };
  it('is told of a ROLLBACK TO its savepoint once, though both listen: it is no end of the transaction', async () => {
    const owner = stage.resettable({ pool: { min: 0, max: 1 } });
    const borrower = stage.resettable({ connectionPool: owner.client.pool as unknown } as object);
    const answer = await borrower.atomic(async (trx) => {
      await failure(trx.atomic((inner) => inner.raw('select 1/0')));
      await trx.raw('savepoint mine; rollback to mine');
      return (await trx.raw('select 1 as one')).rows;
    });
    expect(answer).to.deep.equal([{ one: 1 }]);
    const script = borrower.atomic((trx) => trx.raw('commit; begin'));
    expect(await failure(script)).to.be.an.instanceof(BlockControlError);
  });

  for (const [title, end] of Object.entries(ways)) {
    it(`${title} leaves the owner a pool in which nothing is lent`, async () => {
      const owner = stage.resettable({ pool: { min: 0, max: 1 } });
      const pool = owner.client.pool as unknown;
      const borrower = stage.resettable({ connectionPool: pool } as object, { timeoutMillis: 300 });
      const trx = await borrower.transaction();
      const told = failure(trx.executionPromise);
      const { rows } = await trx.raw('select pg_backend_pid() as pid');
      await end(borrower, rows[0].pid);
      expect(await told).to.be.an.instanceof(Error);
      await until('it is back', () => owner.connectionState().connections.inUse === 0);
      expect((await owner.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      await until('only that one is open', async () => (await stage.database.backends()).length === 1);
    });
  }

  it('that closes one of its connections is no reason for a reset of the owner', async () => {
    const owner = stage.resettable({}, { onFatal: 'reset' });
    const pool = owner.client.pool as unknown;
    const borrower = stage.resettable({ connectionPool: pool } as object);
    const told = failure((await borrower.transaction()).executionPromise);
    await borrower.resetConnection();
    expect(await told).to.be.an.instanceof(ResetError);
    await until('it is back', () => owner.connectionState().connections.inUse === 0);
    expect(owner.connectionState().generation).to.equal(0);
  });
});

describe('a raw connection that the user opened', () => {
  const stage = useStage();

  it("is the user's: it is not counted, and no reset closes it", async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    const raw = (await db.client.acquireRawConnection()) as Client;
    expect(db.connectionState().connections).to.deep.equal({ idle: 1, inUse: 0, opening: 0, waiting: 0 });
    expect(await db.resetConnection()).to.include({ closedConnections: 1, forcedConnections: 0 });
    expect((await raw.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    await db.raw('select 1');
    await db.destroy();
    expect((await raw.query('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    await raw.end();
  });
});
