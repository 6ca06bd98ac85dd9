// What a reset does while the server is down or was restarted.
import { expect } from 'chai';
import { resettable } from '../../lib';
import { ordinaryUrl } from '../support/database';
import { failure, watch } from '../support/outcome';
import { PostgresServer } from '../support/postgres-server';
import { makeKnex } from '../support/quiet-knex';
import type { ResettableKnex } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection()', () => {
  let server: PostgresServer;
  let url: string;
  let db: ResettableKnex;

  before(async () => {
    server = await PostgresServer.create();
    url = await ordinaryUrl(server.url);
  });
  after(() => server.dispose());
  beforeEach(() => {
    db = resettable(makeKnex(url), { timeoutMillis: 1000 });
  });
  afterEach(async () => {
    await db.resetConnection();
    await db.destroy();
  });

  async function pool(size: number): Promise<void> {
    await Promise.all(Array.from({ length: size }, () => db.raw('select pg_sleep(0.05)')));
  }

  describe('while the server is down', () => {
    it('resolves within its bound, and the first query after the server is back works', async () => {
      await pool(3);
      const trx = await db.transaction();
      await server.stop('immediate');
      const start = performance.now();
      const report = await db.resetConnection();
      expect(performance.now() - start).to.be.below(1200);
      expect(report.generation).to.equal(1);
      await failure(trx.executionPromise);
      await server.start();
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });

    it('rejects queries that wait for a connection that cannot be opened', async () => {
      await server.stop();
      try {
        const query = watch(db.raw('select 1'));
        await until('it is tried', () => db.client.pool.numPendingAcquires() === 1);
        const start = performance.now();
        const report = await db.resetConnection();
        expect(performance.now() - start).to.be.below(1200);
        expect(report).to.include({ rejectedWaiters: 1 });
        expect(query.error).to.have.property('code', 'ERR_RESET');
      } finally {
        await server.start();
      }
    });
  });

  describe('after the server was killed and restarted', () => {
    it('lends no connection from before', async () => {
      await pool(4);
      await server.restart('crash');
      await db.resetConnection();
      const answers = await Promise.all([1, 2, 3, 4].map((n) => db.raw('select ?::int as n', [n])));
      expect(answers.map(({ rows }) => rows[0].n)).to.deep.equal([1, 2, 3, 4]);
    });
  });

  describe('while the server goes down', () => {
    it('resolves, and every query settles', async () => {
      const queries = [1, 2, 3].map(() => watch(db.raw('select pg_sleep(30)')));
      await until('they run', () => db.connectionState().connections.inUse === 3);
      const [report] = await Promise.all([db.resetConnection(), server.stop('immediate')]);
      expect(report.closedConnections).to.equal(3);
      expect(queries.map(({ state }) => state)).to.deep.equal(['rejected', 'rejected', 'rejected']);
      await server.start();
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  });
});
