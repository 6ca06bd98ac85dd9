// A reset with many busy connections: all are told to stop over one connection, and the server is asked for no process each.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { later } from '../transaction/stage';
import { outcome } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';

const COUNT = 20;

describe('a reset of many busy connections', () => {
  const stage = useStage();

  async function busy(db: Knex): Promise<Promise<unknown>[]> {
    const sleeping = Array.from({ length: COUNT }, () =>
      later(db.transaction((trx) => trx.raw('select pg_sleep(60)') as never)),
    );
    await stage.running('pg_sleep(60)', COUNT);
    return sleeping;
  }

  for (const connections of ['close', 'recycle'] as const) {
    it(`opens one connection for all of them (${connections})`, async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy, pool: { min: 0, max: COUNT } });
      const sleeping = await busy(db);
      const before = proxy.accepted;
      const report = await db.resetConnection({ connections });
      expect(proxy.accepted - before).to.equal(1);
      expect(report).to.include({ forcedConnections: 0, abortedQueries: 0 });
      expect(report.abortedTransactions).to.have.lengthOf(COUNT);
      for (const each of sleeping) expect((await outcome(each)).error).to.include({ code: 'ERR_RESET' });
      if (connections === 'close') expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      else expect(report.recycledConnections).to.equal(COUNT);
    });
  }

  it('sends each its own cancel request when no side connection can be opened', async () => {
    const db = stage.resettable({ pool: { min: 0, max: COUNT } });
    const sleeping = await busy(db);
    await stage.database.observer.query(`alter role ${stage.database.name} connection limit ${COUNT}`);
    try {
      expect(await db.resetConnection()).to.include({ forcedConnections: 0, closedConnections: COUNT });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      for (const each of sleeping) expect((await outcome(each)).error).to.include({ code: 'ERR_RESET' });
    } finally {
      await stage.database.observer.query(`alter role ${stage.database.name} connection limit -1`);
    }
  });

  it('leaves no side connection behind', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy, pool: { min: 0, max: COUNT } });
    const sleeping = await busy(db);
    await db.resetConnection();
    await Promise.allSettled(sleeping);
    await until('no link is open', () => proxy.connections === 0);
  });
});
