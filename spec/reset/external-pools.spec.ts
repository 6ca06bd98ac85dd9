// What a reset does with a pool that the user owns (`connectionPool`, Knex 3.2 and later).
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { Pool as TarnPool } from 'tarn';
import { ResetError } from '../../lib';
import { failure, never, nextTurn } from '../support/outcome';
import { whyNoConnectionPool } from '../support/quiet-knex';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { wayOfRun } from '../support/way';
import { describeUnless, itUnless } from '../support/unless';

interface Owned {
  pool: Knex.ConnectionPool;
  /** A query of the owner's, past knex. */
  ask(): Promise<unknown>;
  close(): Promise<unknown>;
}

describeUnless(whyNoConnectionPool(), 'resetConnection(), with a pool of the user’s', () => {
  const stage = useStage();
  let owned: Owned;
  let db: ResettableKnex;

  before(() => stage.database.query('create table t (id int)'));
  afterEach(() => owned?.close());

  const owners: Record<string, () => Owned> = {
    'a pg.Pool': () => {
      const pool = new Pool({ ...stage.database.connection, max: 3 });
      pool.on('error', () => {});
      return { pool, ask: () => pool.query('select 1'), close: () => (pool.ended ? Promise.resolve() : pool.end()) };
    },
    'a tarn pool': () => {
      const pool = new TarnPool<Client>({
        min: 0,
        max: 3,
        create: async () => {
          const client = new Client(stage.database.connection);
          client.on('error', () => {});
          await client.connect();
          return client;
        },
        destroy: (client) => client.end(),
      });
      const ask = async () => {
        const client = await pool.acquire().promise;
        try {
          return await client.query('select 1');
        } finally {
          pool.release(client);
        }
      };
      return { pool, ask, close: () => pool.destroy() };
    },
  };

  for (const [title, own] of Object.entries(owners)) {
    describe(`on ${title}`, () => {
      beforeEach(() => {
        owned = own();
        db = stage.resettable({ connectionPool: owned.pool });
      });

      it('aborts transactions and closes their connections through the pool', async () => {
        const transaction = failure(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
        await until('it is open', async () => (await stage.database.backends())[0]?.state === 'idle in transaction');
        const report = await db.resetConnection();
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
        expect(report).to.include({ closedConnections: 1, forcedConnections: 0 });
        expect(report.abortedTransactions).to.have.lengthOf(1);
        await nextTurn();
        expect(await transaction).to.be.an.instanceof(ResetError);
        expect(await stage.database.query('select * from t')).to.be.empty;
      });

      // Knex has no settings of a tarn pool's clients: nothing knows the way to cancel.
      const whyNoCancel = wayOfRun() === 'stream' && title === 'a tarn pool' ? 'pg keeps no stream factory' : undefined;
      itUnless(whyNoCancel, 'stops what runs', async () => {
        const query = failure(db.raw('select pg_sleep(30)'));
        await stage.running('pg_sleep');
        const report = await db.resetConnection();
        expect(report).to.include({ abortedQueries: 1, closedConnections: 1, forcedConnections: 0 });
        expect(await query).to.be.an.instanceof(ResetError);
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      });

      it('leaves the pool alive for its owner and for knex', async () => {
        for (let round = 0; round < 5; round++) {
          const queries = [1, 2, 3].map(() => failure(db.raw('select pg_sleep(30)')));
          await stage.running('pg_sleep', 3);
          // Where nothing knows the way to the server, it is looked for all the time.
          await db.resetConnection({ timeoutMillis: 1000 });
          await Promise.all(queries);
          await owned.ask();
          expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
        }
      });

      it('leaves alone what an earlier reset has recycled and given back to its owner', async () => {
        const pids: number[] = [];
        const open = async (trx: Knex.Transaction) => {
          pids.push((await trx.raw('select pg_backend_pid() as pid')).rows[0].pid);
          await never();
        };
        const transactions = [1, 2, 3].map(() => failure(db.transaction(open)));
        await until('three are open', () => pids.length === 3);
        expect(await db.resetConnection({ connections: 'recycle' })).to.include({ recycledConnections: 3 });
        await Promise.all(transactions);
        expect(db.connectionState().connections.inUse).to.equal(0);
        const report = await db.resetConnection();
        expect(report).to.include({ closedConnections: 0, forcedConnections: 0 });
        expect((await stage.database.backends()).map(({ pid }) => pid)).to.include.members(pids);
        await Promise.all([1, 2, 3].map(() => db.raw('select 1')));
      });

      it('leaves the connections of the pool’s owner alone', async () => {
        await owned.ask();
        await db.raw('select 1'); // lent to us and given back
        const pids = (await stage.database.backends()).map(({ pid }) => pid);
        const report = await db.resetConnection();
        expect(report.closedConnections).to.equal(0);
        expect((await stage.database.backends()).map(({ pid }) => pid)).to.deep.equal(pids);
        await owned.ask();
      });

      it('rejects queries that wait for a connection, and takes none from the owner', async () => {
        const queries = [1, 2, 3].map(() => failure(db.raw('select pg_sleep(30)')));
        await stage.running('pg_sleep', 3);
        const waiter = failure(db.raw('select 2'));
        await until('it waits', () => db.connectionState().connections.waiting === 1);
        expect(await db.resetConnection()).to.include({ rejectedWaiters: 1, closedConnections: 3 });
        expect(await waiter).to.be.an.instanceof(ResetError);
        await Promise.all(queries);
        await Promise.all([owned.ask(), owned.ask(), owned.ask()]);
      });

      it('is not destroyed by knex.destroy(), which closes the connections of this instance only', async () => {
        const trx = await db.transaction();
        await trx.raw('select 1');
        const destroyed = db.destroy();
        await trx.commit();
        await destroyed;
        await owned.ask();
        expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
      });
    });
  }
});
