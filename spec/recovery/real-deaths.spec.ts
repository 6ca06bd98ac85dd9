// The errors by which a real server refuses or ends a connection are fatal ones, with the server's own code.
import { expect } from 'chai';
import { isFatal } from '../../lib';
import { ordinaryUrl } from '../support/database';
import { failure, outcome } from '../support/outcome';
import { PostgresServer } from '../support/postgres-server';
import { useStage } from '../support/stage';
import { until } from '../support/until';
import { gone, pidOf } from './stage';

describe('a connection that a server ends or refuses', () => {
  const stage = useStage();

  async function version(): Promise<number> {
    const [row] = await stage.database.query<{ n: number }>("select current_setting('server_version_num')::int as n");
    return row!.n;
  }

  it('rejects a transaction that was idle for too long with 25P03', async () => {
    const db = stage.resettable();
    const trx = await db.transaction();
    await trx.raw('set local idle_in_transaction_session_timeout = 20');
    const error = await failure(trx.executionPromise);
    expect(error).to.include({ code: '25P03' });
    expect(isFatal(error)).to.be.true;
  });

  it('rejects a transaction that took too long with 25P04, where the server has such a limit (PostgreSQL 17)', async () => {
    const db = stage.resettable();
    const error = await failure(
      db.transaction(async (trx) => {
        await trx.raw('set local transaction_timeout = 40');
        await trx.raw('select pg_sleep(30)');
      }),
    );
    const hasLimit = (await version()) >= 170_000;
    // An older one does not know the setting, and its connection lives.
    expect(error).to.include({ code: hasLimit ? '25P04' : '42704' });
    expect(isFatal(error)).to.equal(hasLimit);
  });

  it('fails no query when the connection was idle for too long', async () => {
    const db = stage.resettable();
    const pid = await pidOf(db);
    await db.raw('set idle_session_timeout = 20');
    await gone(stage, [pid]);
    await until('it was heard of', () => db.connectionState().connections.idle === 0);
    expect(await pidOf(db)).not.to.equal(pid);
  });

  describe('on a server of its own', () => {
    let server: PostgresServer;
    let connection: string;
    before(async () => {
      server = await PostgresServer.create({ max_connections: '4', superuser_reserved_connections: '0' });
      connection = await ordinaryUrl(server.url);
    });
    after(() => server.dispose());

    it('rejects with 53300 when there are too many, and the others are kept', async () => {
      const db = stage.resettable({ connection });
      const trxs = await Promise.all([1, 2, 3, 4].map(() => db.transaction()));
      const pids = await Promise.all(trxs.map((trx) => pidOf(trx)));
      const error = await failure(db.raw('select 1'));
      expect(error).to.include({ code: '53300' });
      expect(isFatal(error)).to.be.true;
      await Promise.all(trxs.map((trx) => trx.commit()));
      expect(pids).to.include(await pidOf(db));
    });

    it('rejects with 57P03 when the server shuts down', async () => {
      const db = stage.resettable({ connection });
      const trx = await db.transaction();
      const stopping = server.stop('smart');
      try {
        const error = await until('new connections are refused', async () => {
          const late = stage.resettable({ connection });
          return (await outcome(late.raw('select 1'))).error;
        });
        expect(error).to.include({ code: '57P03' });
        expect(isFatal(error)).to.be.true;
      } finally {
        await trx.rollback();
        await db.resetConnection();
        await stopping;
        await server.start();
      }
    });

    it('rejects with ECONNREFUSED when there is no server', async () => {
      await server.stop('immediate');
      try {
        const error = await failure(stage.resettable({ connection }).raw('select 1'));
        expect(error).to.include({ code: 'ECONNREFUSED' });
        expect(isFatal(error)).to.be.true;
      } finally {
        await server.start();
      }
    });

    it('rejects its query with an error of the driver when another backend crashed', async () => {
      const db = stage.resettable({ connection });
      const observer = stage.resettable({ connection });
      const trx = await db.transaction();
      const pid = await pidOf(trx);
      const query = failure(db.raw('select pg_sleep(30)'));
      const running = "select from pg_stat_activity where query = 'select pg_sleep(30)' and state = 'active'";
      await until('it runs', async () => (await observer.raw(running)).rows.length > 0);
      process.kill(pid, 'SIGKILL');
      const error = await query;
      // The server says 57P02 in a warning only, and then closes.
      expect(error.code).to.equal(undefined);
      expect(isFatal(error)).to.be.true;
      expect(isFatal(await failure(trx.executionPromise))).to.be.true;
    });
  });
});
