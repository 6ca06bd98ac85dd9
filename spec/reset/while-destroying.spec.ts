// A reset that is asked while `destroy()` runs: it comes after it, opens the instance again, and has no time to lose.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { failure, never, nextTurn, outcome } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection() while destroy() runs', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  /** How late timers and the like may make it. */
  const SLACK = 1500;

  it('opens the instance again, whatever was called in the same turn', async () => {
    const db = stage.resettable();
    await db.raw('select 1');
    await Promise.all([db.destroy(), db.resetConnection(), db.destroy()]);
    for (let round = 0; round < 2; round++) {
      await db.resetConnection();
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    }
    expect(await stage.database.backends()).to.have.lengthOf(1);
  });

  for (const what of ['a transaction', 'a query'] as const) {
    it(`aborts at once ${what} that destroy() would have waited for`, async () => {
      const db = stage.resettable({}, { timeoutMillis: 5000 });
      const asked =
        what === 'a query'
          ? db.raw('select pg_sleep(30)')
          : db.transaction((trx) => trx('t').insert({ id: 3 }).then(never));
      const told = failure(asked);
      await until('it is in use', async () =>
        (await stage.database.backends()).some(({ query }) => /insert|pg_sleep/.test(query)),
      );
      const start = performance.now();
      const destroyed = db.destroy();
      await db.resetConnection();
      expect(performance.now() - start).to.be.below(1000);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(await told).to.be.an.instanceof(ResetError);
      await destroyed;
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  }

  for (const when of ['while what runs may end', 'while connections are closed'] as const) {
    it(`keeps its own timeoutMillis, not that of destroy(), ${when}`, async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy }, { timeoutMillis: 6000 });
      const trx = when === 'while what runs may end' && (await db.transaction());
      if (!trx) await db.raw('select 1');
      proxy.freeze();
      const destroyed = db.destroy();
      await nextTurn();
      const start = performance.now();
      await db.resetConnection({ timeoutMillis: 400 });
      expect(performance.now() - start).to.be.below(400 + SLACK);
      proxy.thaw();
      await destroyed;
      if (trx) await failure(trx.executionPromise);
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      await until('nothing of the old is left', async () => (await stage.database.backends()).length === 1);
    });
  }

  it('waits for running work as long as its own graceMillis', async () => {
    const db = stage.resettable({}, { timeoutMillis: 10_000 });
    const query = outcome(db.raw('select pg_sleep(0.3)'));
    await stage.running('pg_sleep');
    const destroyed = db.destroy();
    await db.resetConnection({ graceMillis: 2000 });
    expect((await query).error).to.be.undefined;
    await destroyed;
  });
});
