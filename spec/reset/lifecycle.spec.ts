// What `destroy()` and `initialize()` mean on an instance that can be reset.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { asked, failure, never, outcome, watch } from '../support/outcome';
import { NOTHING, type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('destroy()', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  it('ends the instance: later queries fail with knex’s own error', async () => {
    const [db, plain] = [stage.resettable(), stage.knex()] as const;
    for (const each of [db, plain]) {
      await each.raw('select 1');
      await each.destroy();
    }
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    const expected = await failure(plain.raw('select 1'));
    const error = await failure(db.raw('select 1'));
    expect(error.message).to.equal(expected.message);
    expect(error.name).to.equal(expected.name);
    expect((await failure(db.transaction((trx) => trx.raw('select 1')))).message).to.equal(expected.message);
  });

  it('waits for running queries, as knex does', async () => {
    const db = stage.resettable();
    const query = outcome(db.raw('select pg_sleep(0.3)'));
    const transaction = outcome(db.transaction((trx) => trx.raw('select pg_sleep(0.3)').then(() => 'done')));
    await stage.running('pg_sleep', 2);
    await db.destroy();
    expect((await query).error).to.be.undefined;
    expect(await transaction).to.deep.equal({ value: 'done' });
  });

  describe('while a transaction is open', () => {
    it('aborts it with ResetError after timeoutMillis', async () => {
      const db = stage.resettable({}, { timeoutMillis: 300 });
      const transaction = watch(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
      await until('it is open', async () => (await stage.database.backends())[0]?.state === 'idle in transaction');
      const start = performance.now();
      await db.destroy();
      expect(performance.now() - start).to.be.within(280, 300 + 2500);
      await until('it is told', () => transaction.state !== 'pending');
      expect(transaction.error).to.be.an.instanceof(ResetError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('rejects queries that are asked meanwhile with knex’s own error, and lets the transaction end', async () => {
      const db = stage.resettable({}, { timeoutMillis: 3000 });
      const trx = await db.transaction();
      await trx('t').insert({ id: 2 });
      const destroyed = db.destroy();
      const asked = failure(db.raw('select 1'));
      await trx.commit();
      expect((await asked).message).to.include('Unable to acquire a connection');
      await destroyed;
      expect(await stage.database.query('select id from t')).to.deep.equal([{ id: 2 }]);
    });
  });

  describe('called twice', () => {
    it('resolves both times', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      await Promise.all([db.destroy(), db.destroy()]);
      await db.destroy();
      expect(await stage.database.backends()).to.be.empty;
    });

    it('calls its callback', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      await new Promise<void>((resolve) => db.destroy(resolve));
      expect(await stage.database.backends()).to.be.empty;
    });
  });

  describe('in turn with resetConnection(), while a query runs', () => {
    it('leaves the instance open when the reset is called last', async () => {
      const db = stage.resettable();
      const query = failure(db.raw('select pg_sleep(60)'));
      await stage.running('pg_sleep');
      const first = db.resetConnection();
      const destroyed = db.destroy();
      const last = await db.resetConnection();
      expect(await query).to.be.an.instanceof(ResetError);
      await destroyed;
      expect([(await first).generation, last.generation]).to.deep.equal([1, 2]);
      await db.raw('select 1');
      expect(db.client.pool.destroyed).to.be.false;
    });

    it('leaves the instance destroyed when it is called last', async () => {
      const db = stage.resettable({}, { timeoutMillis: 300 });
      const query = failure(db.raw('select pg_sleep(60)'));
      await stage.running('pg_sleep');
      const first = db.destroy();
      const reset = db.resetConnection();
      await db.destroy();
      await Promise.all([first, reset]);
      expect(await query).to.be.an.instanceof(ResetError);
      expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('then resetConnection()', () => {
    it('opens the instance again', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      await db.destroy();
      expect(await db.resetConnection()).to.include({ generation: 1, closedConnections: 0 });
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      expect(await db.transaction((trx) => trx.raw('select 2').then(() => 'done'))).to.equal('done');
    });

    it('opens a copy again that shared the pool', async () => {
      const db = stage.resettable();
      const copy = db.withUserParams({ of: 'db' });
      await copy.raw('select 1');
      await db.destroy();
      await db.resetConnection();
      expect((await copy.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });

    it('opens a copy that was made while the instance was destroyed, and a copy of that one', async () => {
      const db = stage.resettable();
      await db.destroy();
      const copy = db.withUserParams({ of: 'db' });
      const second = copy.withUserParams({ of: 'copy' });
      expect((await failure(copy.raw('select 1'))).message).to.include('Unable to acquire a connection');
      await db.resetConnection();
      for (const each of [copy, second]) {
        expect(each.client.pool).to.equal(db.client.pool);
        expect((await each.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
      }
      await copy.destroy();
      expect(copy.client.pool).to.equal(undefined);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
    });
  });

  describe('then initialize()', () => {
    it('opens the instance again, resettable as before', async () => {
      const db = stage.resettable();
      await db.destroy();
      db.initialize();
      await db.raw('select 1');
      expect(await db.resetConnection()).to.include({ closedConnections: 1 });
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });

    it('takes the configuration of another pool', async () => {
      const db = stage.resettable({ pool: { max: 2 } });
      await db.raw('select 1');
      await db.destroy();
      db.initialize({ ...db.client.config, pool: { min: 0, max: 4 } });
      await db.raw('select 1');
      expect(db.client.pool.max).to.equal(4);
    });
  });

  describe('and initialize(), by whichever copy', () => {
    /** The instance, and a copy of it. */
    function family(): Record<'root' | 'copy', ResettableKnex> {
      const root = stage.resettable();
      return { root, copy: root.withUserParams({ of: 'root' }) as ResettableKnex };
    }

    for (const [first, second] of [
      ['root', 'copy'],
      ['copy', 'root'],
      ['copy', 'copy'],
    ] as const) {
      it(`opens both again, when the ${first} is destroyed and the ${second} initialized`, async () => {
        const all = family();
        await all.root.raw('select 1');
        await all[first].destroy();
        all[second].initialize();
        for (const each of [all.root, all.copy]) await each.raw('select 1');
        expect(await stage.database.backends()).to.have.lengthOf(1);
        await all.root.destroy();
        for (const each of [all.root, all.copy])
          expect((await failure(each.raw('select 1'))).message).to.include('Unable to acquire a connection');
        expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      });

      it(`does so when the ${first} is still being destroyed`, async () => {
        const all = family();
        const query = outcome(all.root.raw('select pg_sleep(0.2), pg_backend_pid() as pid'));
        await stage.running('pg_sleep');
        const destroyed = all[first].destroy();
        all[second].initialize();
        const later = asked(all.copy.raw('select pg_backend_pid() as pid'));
        await destroyed;
        expect((await later).rows).not.to.deep.equal([{ pid: (await query).value.rows[0].pid }]);
        for (const each of [all.root, all.copy]) await each.raw('select 1');
        expect(await stage.database.backends()).to.have.lengthOf(1);
      });
    }

    it('opens nothing where a pristine one is destroyed once more', async () => {
      const { root, copy } = family();
      const first = root.destroy();
      copy.initialize();
      const later = failure(asked(copy.raw('select 1')));
      await Promise.all([first, copy.destroy(), later]);
      expect((await failure(root.raw('select 1'))).message).to.include('Unable to acquire a connection');
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while a reset runs', () => {
    it('ends the instance after it', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const [report] = await Promise.all([db.resetConnection(), db.destroy()]);
      expect(report.closedConnections).to.equal(1);
      expect((await failure(db.raw('select 1'))).message).to.include('Unable to acquire a connection');
    });
  });

  describe('while resetConnection() is asked', () => {
    it('lets the reset follow, which opens the instance again', async () => {
      const db = stage.resettable();
      await db.raw('select 1');
      const destroyed = db.destroy();
      const reset = db.resetConnection();
      await Promise.all([destroyed, reset]);
      expect((await db.raw('select 1 as one')).rows).to.deep.equal([{ one: 1 }]);
    });
  });
});
