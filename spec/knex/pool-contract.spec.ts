// How knex uses `client.pool` and comes by its connection settings, on plain knex: when knex changes it, it fails here by name.
import { expect } from 'chai';
import type { Knex } from 'knex';
import type { KnexClient } from '../../lib/knex/client-shape';
import type { KnexPool } from '../../lib/knex/pool-shape';
import { failure } from '../support/outcome';
import { logOf, whyNoConnectionPool } from '../support/quiet-knex';
import { useStage } from '../support/stage';
import { itUnless } from '../support/unless';

describe('knex’s client', () => {
  const stage = useStage();
  let db: Knex;
  let client: KnexClient;

  beforeEach(() => {
    db = stage.knex();
    client = db.client as KnexClient;
  });

  describe('pool', () => {
    it('is used by acquire().promise, release() and destroy(), and by nothing else', async () => {
      const connection = await client.acquireRawConnection();
      const used = new Set<PropertyKey>();
      const own: KnexPool = {
        acquire: () => ({ promise: Promise.resolve(connection) }),
        release: () => true,
        destroy: async () => {},
      };
      const real = client.pool;
      client.pool = new Proxy(own, {
        get(target, name, receiver) {
          used.add(name);
          return Reflect.get(target, name, receiver);
        },
      });
      await db.raw('select 1');
      await db.transaction((trx) => trx.raw('select 1'));
      await db.transaction((trx) => trx.transaction((inner) => inner.raw('select 1')));
      await db.destroy();
      expect([...used]).to.have.members(['acquire', 'destroy', 'release']);
      await client.destroyRawConnection(connection);
      await real?.destroy();
    });

    it('is undefined after destroy(), and queries then fail with "Unable to acquire a connection"', async () => {
      await db.destroy();
      expect(client.pool).to.be.undefined;
      expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
    });

    it('is made by initializePool(config), which warns where there is one', async () => {
      const first = client.pool;
      client.initializePool(client.config);
      expect(client.pool).to.equal(first);
      expect(logOf(db).map(({ message }) => message)).to.deep.equal(['The pool has already been initialized']);
      client.pool = undefined;
      client.initializePool({ ...client.config, pool: { min: 0, max: 3 } });
      expect(client.pool).not.to.equal(first);
      expect(client.pool).to.include({ max: 3 });
      await first?.destroy();
    });

    it('is what `initialize()` makes anew, by initializePool()', async () => {
      await db.destroy();
      const calls: unknown[] = [];
      client.initializePool = function (config) {
        calls.push(config);
        Object.getPrototypeOf(client).initializePool.call(this, config);
      };
      db.initialize();
      expect(calls).to.have.lengthOf(1);
      await db.raw('select 1');
    });

    itUnless(whyNoConnectionPool(), 'is not owned by knex in `_ownsPool` when it was given', () => {
      const pool: KnexPool = {
        acquire: () => ({ promise: Promise.reject(new Error('empty')) }),
        release: () => true,
        destroy: async () => {},
      };
      const counters = { numFree: () => 0, numUsed: () => 0, numPendingAcquires: () => 0 };
      const given = stage.knex({ connectionPool: Object.assign(pool, counters) as never });
      expect(given.client).to.include({ _ownsPool: false, pool });
      expect(client._ownsPool).to.be.true;
    });
  });

  describe('connection settings', () => {
    it('come from `connectionConfigProvider`, when `connectionConfigExpirationChecker()` says so', async () => {
      let asked = 0;
      const provider = () => {
        asked++;
        return stage.database.connection as Knex.PgConnectionConfig;
      };
      const provided = stage.knex({ connection: provider }).client as KnexClient;
      expect(provided.connectionConfigProvider).to.be.a('function');
      const open = async () => {
        const connection = await (provided.pool as unknown as { creator(): Promise<object> }).creator();
        await provided.destroyRawConnection(connection);
      };
      await open();
      await open();
      expect(asked).to.equal(1);
      expect(provided.connectionConfigExpirationChecker).to.be.null;
      provided.connectionConfigExpirationChecker = () => true;
      await open();
      await open();
      expect(asked).to.equal(2);
    });

    it('have no `connectionConfigProvider` when the connection is an object', () => {
      expect(client.connectionConfigProvider ?? undefined).to.be.undefined;
    });
  });
});
