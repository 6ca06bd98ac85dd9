// Shows that a stage is empty again after each test.
import { expect } from 'chai';
import { never } from './outcome';
import { type Stage, useStage } from './stage';
import { until } from './until';

describe('useStage()', () => {
  const stage: Stage = useStage();

  it('gives instances on its database, also by way of a proxy', async () => {
    const proxy = await stage.proxy();
    for (const db of [stage.knex(), stage.resettable(), stage.resettable({ through: proxy })]) {
      expect((await db.raw('select current_database() as name')).rows).to.deep.equal([{ name: stage.database.name }]);
    }
    expect(proxy.accepted).to.equal(1);
  });

  it('has ended them after the test, and can end what a test left open', async () => {
    await until(
      'the instances of the test before are gone',
      async () => (await stage.database.backends()).length === 0,
    );
    const db = stage.resettable();
    void db.transaction(never).catch(() => {});
    await until('it is open', async () => (await stage.database.backends())[0]?.state === 'idle in transaction');
    await stage.clear();
    expect(await stage.database.backends()).to.be.empty;
  });

  it('tells which backends run something', async () => {
    const db = stage.knex();
    const sleeping = db.raw('select pg_sleep(0.4)').then(() => 'slept');
    const [pid] = await stage.running('pg_sleep');
    expect((await stage.database.backends()).map((backend) => backend.pid)).to.deep.equal([pid]);
    expect(await sleeping).to.equal('slept');
  });
});
