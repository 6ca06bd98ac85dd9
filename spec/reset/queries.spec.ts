// What becomes of queries that run outside of transactions.
import { expect } from 'chai';
import { ResetError } from '../../lib';
import { failure, nextTurn, watch } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { WireTranscript } from '../support/wire-transcript';

describe('resetConnection()', () => {
  const stage = useStage();

  describe('while a query runs', () => {
    it('rejects it with ResetError, and counts it', async () => {
      const db = stage.resettable();
      const query = failure(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      const report = await db.resetConnection({ reason: 'enough' });
      expect(report).to.include({ abortedQueries: 1, closedConnections: 1, forcedConnections: 0 });
      expect(report.abortedTransactions).to.be.empty;
      expect(await query)
        .to.be.an.instanceof(ResetError)
        .and.include({ reason: 'enough', generation: 1 });
      expect((await query).transaction).to.be.undefined;
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('rejects it at once, before the server has answered', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const query = watch(db.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      proxy.freeze();
      const reset = db.resetConnection();
      await nextTurn();
      expect(query.error).to.be.an.instanceof(ResetError);
      proxy.thaw();
      await reset;
    });

    it('tells the server to stop it: a cancel request, then goodbye', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const query = failure(db.raw('select pg_sleep(30)'));
      const [pid] = await stage.running('pg_sleep');
      const transcript = new WireTranscript(proxy);
      await db.resetConnection();
      expect(transcript.cancelled).to.deep.equal([pid]);
      expect(transcript.links).to.deep.equal([{ sql: [], terminated: true }]);
      await query;
    });

    it('does not let it change the database after the reset', async () => {
      await stage.database.query('create table late (id int)');
      const db = stage.resettable();
      const insert = failure(db.raw('insert into late select 1 from pg_sleep(0.3)'));
      await stage.running('insert into late');
      await db.resetConnection();
      await insert;
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING); // so there is nobody left who could
      expect(await stage.database.query('select * from late')).to.be.empty;
    });

    it('frees the session lock that it waits for and the one that it holds', async () => {
      const db = stage.resettable();
      const other = stage.knex({ pool: { min: 1, max: 1 } });
      await other.raw('select pg_advisory_lock(2)');
      const query = failure(db.raw('select pg_advisory_lock(1), pg_advisory_lock(2)'));
      await stage.running('pg_advisory_lock(1)');
      await db.resetConnection();
      await query;
      expect((await stage.database.locks()).filter(({ locktype }) => locktype === 'advisory')).to.have.lengthOf(1);
    });

    it('lets `finally` and `catch` of it run as for any other error', async () => {
      const db = stage.resettable();
      let wasFinal = false;
      const query = failure(
        db('pg_class')
          .select(db.raw('pg_sleep(30)'))
          .finally(() => {
            wasFinal = true;
          }),
      );
      await stage.running('pg_sleep');
      await db.resetConnection();
      expect(await query).to.be.an.instanceof(ResetError);
      expect(wasFinal).to.be.true;
    });
  });

  describe('while many queries run', () => {
    it('ends all of them in the time that one takes', async () => {
      const db = stage.resettable({ pool: { max: 8 } });
      const queries = Array.from({ length: 8 }, () => failure(db.raw('select pg_sleep(30)')));
      await stage.running('pg_sleep', 8);
      const report = await db.resetConnection();
      expect(report).to.include({ abortedQueries: 8, closedConnections: 8, forcedConnections: 0 });
      expect(report.durationMillis).to.be.below(1000);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      for (const error of await Promise.all(queries)) expect(error).to.be.an.instanceof(ResetError);
    });
  });
});
