// What an instance keeps over its resets, and what is applied anew to its next connection.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { useStage } from '../support/stage';

interface RawConnection {
  query(sql: string, done: (error: Error | null) => void): void;
}

describe('resetConnection()', () => {
  const stage = useStage();
  before(() =>
    stage.database.query(
      'create schema elsewhere; create table elsewhere.here as select 1 as id; create table t (id int)',
    ),
  );

  describe('keeps', () => {
    it('the instance, its client and its config', async () => {
      const db = stage.resettable();
      const { client } = db;
      const { config } = client;
      await db.raw('select 1');
      await db.resetConnection();
      expect(db.client).to.equal(client);
      expect(db.client.config).to.equal(config);
    });

    it('builders and models that were made before', async () => {
      const db = stage.resettable();
      const table = db('t').count({ n: '*' });
      const Model = class {
        static query = () => db('t').where({ id: 1 });
      };
      await db.raw('select 1');
      await db.resetConnection();
      expect(await table).to.deep.equal([{ n: '0' }]);
      expect(await Model.query()).to.deep.equal([]);
    });

    it('event listeners of the instance', async () => {
      const db = stage.resettable();
      const heard: string[] = [];
      db.on('query', ({ sql }: { sql: string }) => heard.push(sql));
      db.on('start', () => heard.push('start'));
      await db.raw('select 1');
      await db.resetConnection();
      await db.raw('select 2');
      await db.transaction((trx) => trx.raw('select 3'));
      expect(heard.filter((sql) => /select|start/.test(sql))).to.deep.equal(
        ['1', '2', '3'].flatMap((n) => ['start', `select ${n}`]),
      );
    });

    it('listeners of the pool', async () => {
      const db = stage.resettable();
      let created = 0;
      db.client.pool.on('createSuccess', () => created++);
      await db.raw('select 1');
      await db.resetConnection();
      await db.raw('select 1');
      expect(created).to.equal(2);
    });
  });

  describe('applies to the next connection', () => {
    it('afterCreate', async () => {
      let calls = 0;
      const afterCreate = (
        connection: RawConnection,
        done: (error: Error | null, connection: RawConnection) => void,
      ) => {
        calls++;
        connection.query("set timezone = 'Pacific/Chatham'", (error) => done(error, connection));
      };
      const db = stage.resettable({ pool: { afterCreate } });
      await db.raw('select 1');
      await db.resetConnection();
      expect(calls).to.equal(1);
      expect((await db.raw('show timezone')).rows).to.deep.equal([{ TimeZone: 'Pacific/Chatham' }]);
      expect(calls).to.equal(2);
    });

    it('searchPath', async () => {
      const db = stage.resettable({ searchPath: ['elsewhere', 'public'] });
      expect(await db('here')).to.deep.equal([{ id: 1 }]);
      await db.raw('set search_path = public');
      await db.resetConnection();
      expect(await db('here')).to.deep.equal([{ id: 1 }]);
    });

    it('the pool’s settings', async () => {
      const db = stage.resettable({ pool: { max: 2 } });
      await db.raw('select 1');
      await db.resetConnection();
      const sleeping = Promise.all([1, 2, 3, 4].map(() => db.raw('select pg_sleep(0.05)')));
      await stage.running('pg_sleep', 2);
      expect(await stage.database.backends()).to.have.lengthOf(2);
      await sleeping;
    });

    it('what the connection provider says now', async () => {
      const [first, second] = [await stage.proxy(), await stage.proxy()] as const;
      const proxies = [first, second];
      let asked = 0;
      const provider = async (): Promise<Knex.PgConnectionConfig> => {
        const proxy = proxies[asked++];
        if (!proxy) throw new Error('asked too often');
        return proxy.through(stage.database.connection) as Knex.PgConnectionConfig;
      };
      const db = stage.resettable({ connection: provider });
      await db.raw('select 1');
      await Promise.all([db.raw('select pg_sleep(0.02)'), db.raw('select pg_sleep(0.02)')]);
      expect([asked, first.accepted, second.accepted]).to.deep.equal([1, 2, 0]);
      await db.resetConnection();
      expect(asked).to.equal(1);
      await db.raw('select 1');
      await Promise.all([db.raw('select pg_sleep(0.02)'), db.raw('select pg_sleep(0.02)')]);
      expect([asked, second.accepted]).to.deep.equal([2, 2]);
    });

    it('what the provider says after each later reset', async () => {
      let asked = 0;
      const provider = (): Knex.PgConnectionConfig => {
        asked++;
        return stage.database.connection as Knex.PgConnectionConfig;
      };
      const db = stage.resettable({ connection: provider });
      for (const count of [1, 2, 3]) {
        await db.raw('select 1');
        expect(asked).to.equal(count);
        await db.resetConnection();
      }
    });
  });
});
