// A connection function is asked again after a death, so that a failover to another server is followed.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { isFatal, type ResettableOptions } from '../../lib';
import { ordinaryUrl } from '../support/database';
import { failure } from '../support/outcome';
import { PostgresServer } from '../support/postgres-server';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';
import { failures, idle, pidOf, raise } from './stage';

describe('failover by a connection function', () => {
  const stage = useStage();
  let first: PostgresServer;
  let firstUrl: string;
  /** What the function says when it is asked. */
  let primary: Knex.PgConnectionConfig;
  let asked: number;

  before(async () => {
    first = await PostgresServer.create();
    firstUrl = await ordinaryUrl(first.url);
  });
  after(() => first.dispose());
  beforeEach(async () => {
    primary = { connectionString: firstUrl };
    asked = 0;
  });

  /** The server of the stage's own database takes over. */
  function promoteSecond(): void {
    primary = { ...stage.database.connection } as Knex.PgConnectionConfig;
  }

  function make(options: ResettableOptions = {}, config: Knex.Config = {}): ResettableKnex {
    const provider = async (): Promise<Knex.PgConnectionConfig> => {
      asked++;
      return { ...primary };
    };
    return stage.resettable({ connection: provider, ...config }, options);
  }

  async function portOf(db: Knex): Promise<number> {
    const { rows } = await db.raw<{ rows: [{ port: string }] }>('show port');
    return Number(rows[0].port);
  }

  const second = () => stage.database.observer.port;

  describe('when the first server goes', () => {
    afterEach(() => first.restart('immediate'));

    // Without an eviction nothing tells that the settings lead nowhere, until a connection cannot be opened with them.
    for (const [onFatal, cost] of [['discard', 1] as const, ['evict', 0] as const, ['reset', 0] as const]) {
      it(`costs ${cost} failures once the deaths were heard of, with onFatal '${onFatal}'`, async () => {
        const db = make({ onFatal });
        await idle(db, 3);
        expect(await portOf(db)).to.equal(first.port);
        promoteSecond();
        await first.stop('immediate');
        await until('the deaths were heard of', () => db.connectionState().connections.idle === 0);
        expect(await failures(db, 10)).to.have.lengthOf(cost);
        expect(await portOf(db)).to.equal(second());
      });
    }

    it('fails an open transaction, and runs the next one on the second', async () => {
      const db = make();
      const trx = await db.transaction();
      promoteSecond();
      await first.stop('immediate');
      expect(isFatal(await failure(trx.executionPromise))).to.be.true;
      expect(await db.transaction((next) => portOf(next))).to.equal(second());
    });

    it('runs a block with retry on the second', async () => {
      const db = make();
      let attempts = 0;
      const port = await db.atomic(
        async (trx) => {
          if (++attempts === 1) {
            promoteSecond();
            await first.stop('immediate');
          }
          return await portOf(trx);
        },
        { retry: { attempts: 5, when: isFatal } },
      );
      expect([port, attempts]).to.deep.equal([second(), 2]);
    });

    it('sends all queries that were asked together to the second', async () => {
      const db = make();
      await idle(db, 3);
      promoteSecond();
      await first.stop('immediate');
      await until('the deaths were heard of', () => db.connectionState().connections.idle === 0);
      const ports = await Promise.all(Array.from({ length: 5 }, () => portOf(db)));
      expect(ports).to.deep.equal(Array.from({ length: 5 }, () => second()));
    });

    it('asks the function again after each failed attempt, as long as it still names the first', async () => {
      const db = make();
      await idle(db, 1);
      await first.stop('immediate');
      await until('the death was heard of', () => db.connectionState().connections.idle === 0);
      const before = asked;
      for (const error of await failures(db, 3)) expect(error).to.include({ code: 'ECONNREFUSED' });
      expect(asked).to.equal(before + 3);
      promoteSecond();
      expect(await failures(db, 3)).to.be.empty;
      expect(await portOf(db)).to.equal(second());
    });
  });

  describe('while the first server lives on', () => {
    it('follows at an eviction: no connection to the first is lent any more', async () => {
      const db = make();
      await idle(db, 3);
      promoteSecond();
      await failure(db.raw(raise('57P01')));
      const ports = await Promise.all([portOf(db), portOf(db), portOf(db)]);
      expect(ports).to.deep.equal([second(), second(), second()]);
    });

    it('leaves a transaction on the first until it ends', async () => {
      const db = make();
      const trx = await db.transaction();
      promoteSecond();
      await failure(db.raw(raise('57P01')));
      expect(await portOf(trx)).to.equal(first.port);
      await trx.commit();
      expect(await portOf(db)).to.equal(second());
    });

    it('follows at a reset', async () => {
      const db = make();
      await idle(db, 3);
      promoteSecond();
      await db.resetConnection();
      expect(await portOf(db)).to.equal(second());
    });

    it('follows at a reset that had nothing to close', async () => {
      const db = make({}, { pool: { idleTimeoutMillis: 1, reapIntervalMillis: 5 } });
      await pidOf(db);
      await until('it was closed for idleness', () => db.connectionState().connections.idle === 0);
      promoteSecond();
      await db.resetConnection();
      expect(await portOf(db)).to.equal(second());
    });

    it('does not ask the function for every connection', async () => {
      const db = make();
      await pidOf(db);
      await idle(db, 3);
      expect(asked).to.equal(1);
      await failure(db.raw(raise('57P01')));
      await pidOf(db);
      await idle(db, 3);
      expect(asked).to.equal(2);
    });

    it('keeps the open connections when another could not be opened', async () => {
      const proxy = await stage.proxy();
      primary = proxy.through(stage.database.connection) as Knex.PgConnectionConfig;
      const db = make();
      const trx = await db.transaction();
      const pid = await pidOf(trx);
      proxy.mode = 'reject';
      expect(await failure(db.raw('select 1'))).to.include({ code: 'ECONNRESET' });
      await trx.commit();
      expect(await pidOf(db)).to.equal(pid);
      expect(asked).to.equal(1);
    });

    it('leaves the function’s own expirationChecker in its place', async () => {
      let isExpired = false;
      const provider = () => {
        asked++;
        isExpired = false;
        return { ...primary, expirationChecker: () => isExpired };
      };
      const db = make({}, { connection: provider });
      await pidOf(db);
      await failure(db.raw(raise('57P01')));
      await idle(db, 1);
      expect(asked).to.equal(2);
      isExpired = true;
      await idle(db, 2);
      expect(asked).to.equal(3);
    });
  });
});
