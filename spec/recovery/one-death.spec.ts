// With `evict`, the default, one death costs at most one failure, however many connections died with it.
import { expect } from 'chai';
import { CommitUnknownError } from '../../lib';
import { failure } from '../support/outcome';
import { useStage } from '../support/stage';
import { until } from '../support/until';
import { failures, idle, kill, Links, pidOf, sleeping } from './stage';

describe('recovery from a death', () => {
  const stage = useStage();
  before(() => stage.database.query('create table t (id int)'));

  describe('of one idle connection', () => {
    it('costs no query once it was heard of', async () => {
      const db = stage.resettable();
      const [pid] = await idle(db, 1);
      await kill(stage, [pid!]);
      await until('it was heard of', () => db.connectionState().connections.idle === 0);
      expect(await failures(db, 5)).to.be.empty;
    });

    it('takes one new connection', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      await kill(stage, await idle(db, 1));
      await until('it was heard of', () => db.connectionState().connections.idle === 0);
      await failures(db, 5);
      expect(proxy.accepted).to.equal(2);
    });

    it('fails the query that met it, with what the server said', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const pids = await idle(db, 1);
      // Handed on to a server that is gone, the query would break the socket, and what the server said last be lost.
      proxy.mode = 'blackhole-up';
      const met = failures(db, 5);
      await stage.database.query('select 1');
      proxy.mode = 'pass';
      await kill(stage, pids);
      const errors = await met;
      expect(errors).to.have.lengthOf(1);
      expect(errors[0]).to.include({ code: '57P01' });
    });
  });

  describe('of all idle connections at once', () => {
    it('costs no query once it was heard of', async () => {
      const db = stage.resettable();
      await kill(stage, await idle(db, 5));
      await until('it was heard of', () => db.connectionState().connections.idle === 0);
      expect(await failures(db, 10)).to.be.empty;
    });

    it('costs one failure when the first query meets it', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const pids = await idle(db, 5);
      proxy.freeze();
      const met = failures(db, 10);
      await kill(stage, pids);
      proxy.thaw();
      expect(await met).to.have.lengthOf(1);
    });

    it('costs one failure when each death shows only at its use', async () => {
      const proxy = await stage.proxy();
      const links = new Links(proxy);
      const db = stage.resettable({ through: proxy });
      await idle(db, 5);
      links.die();
      const errors = await failures(db, 10);
      expect(errors).to.have.lengthOf(1);
      expect(errors[0]).to.include({ code: 'ECONNRESET' });
    });

    it('fails the queries that were asked together once each, and none after them', async () => {
      const proxy = await stage.proxy();
      const links = new Links(proxy);
      const db = stage.resettable({ through: proxy });
      await idle(db, 5);
      links.die();
      const together = await Promise.all([failures(db, 1), failures(db, 1), failures(db, 1)]);
      expect(together.flat()).to.have.lengthOf(3);
      expect(await failures(db, 5)).to.be.empty;
    });
  });

  describe('of a connection in a query', () => {
    it('fails that query, with 57P01, and no other', async () => {
      const db = stage.resettable();
      const pids = await idle(db, 3);
      const { error, pid } = await sleeping(stage, db);
      await kill(stage, [pid]);
      expect(await error).to.include({ code: '57P01' });
      expect(await failures(db, 5)).to.be.empty;
      expect(pids).not.to.include(await pidOf(db));
    });

    it('fails the running queries once each, and none after them', async () => {
      const db = stage.resettable();
      const running = [await sleeping(stage, db), await sleeping(stage, db), await sleeping(stage, db)];
      await kill(
        stage,
        running.map(({ pid }) => pid),
      );
      for (const { error } of running) expect(await error).to.include({ code: '57P01' });
      expect(await failures(db, 5)).to.be.empty;
    });
  });

  describe('of a connection in a transaction', () => {
    it('fails that transaction, between two statements, and no other', async () => {
      const db = stage.resettable();
      await idle(db, 3);
      const block = db.atomic(async (trx) => {
        await trx('t').insert({ id: 1 });
        await kill(stage, [await pidOf(trx)]);
        await trx('t').insert({ id: 2 });
      });
      expect(await failure(block)).to.include({ code: '57P01' });
      expect(await failures(db, 5)).to.be.empty;
      expect(await stage.database.query('select * from t')).to.be.empty;
    });

    it('leaves the transactions on other connections alone', async () => {
      const db = stage.resettable();
      const other = await db.transaction();
      await other('t').insert({ id: 3 });
      const { error, pid } = await sleeping(stage, db);
      await kill(stage, [pid]);
      await error;
      await other('t').insert({ id: 4 });
      await other.commit();
      expect(await stage.database.query('select id from t order by id')).to.deep.equal([{ id: 3 }, { id: 4 }]);
    });
  });

  describe('during COMMIT', () => {
    it('fails that transaction, and the next BEGIN never gets the dead connection', async () => {
      const db = stage.resettable();
      await stage.database.query(`
        create table slow (id int);
        create function wait() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return null; end $$;
        create constraint trigger waits after insert on slow deferrable initially deferred
          for each row execute function wait()`);
      await idle(db, 3);
      let dead = 0;
      const block = failure(
        db.transaction(async (trx) => {
          dead = await pidOf(trx);
          await trx('slow').insert({ id: 1 });
        }),
      );
      await stage.running('COMMIT');
      await kill(stage, [dead]);
      expect(await block).to.be.an.instanceof(CommitUnknownError);
      const begun = await db.transaction((trx) => pidOf(trx));
      expect(begun).not.to.equal(dead);
      expect(await failures(db, 5)).to.be.empty;
    });
  });
});
