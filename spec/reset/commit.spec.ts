// What becomes of a transaction that a reset catches in COMMIT.
import { expect } from 'chai';
import { CommitUnknownError, ResetError } from '../../lib';
import { failure, never, outcome } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';

/** A deferred trigger: COMMIT itself takes a while. */
const SLOW_COMMIT = `
  create table slow (id int primary key);
  create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return null; end $$;
  create constraint trigger dawdle after insert on slow deferrable initially deferred for each row execute function dawdle();
  create table stuck (id int primary key);
  create function hang() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$;
  create constraint trigger hang after insert on stuck deferrable initially deferred for each row execute function hang();
  create table t (id int primary key)`;

describe('resetConnection()', () => {
  const stage = useStage();
  before(() => stage.database.query(SLOW_COMMIT));
  afterEach(() => stage.database.query('truncate slow, stuck, t'));

  describe('while a COMMIT is under way', () => {
    it('waits for the answer: the row is stored, and the promise resolves', async () => {
      const db = stage.resettable();
      const transaction = outcome(
        db.transaction(async (trx) => {
          await trx('slow').insert({ id: 1 });
          return 'stored';
        }),
      );
      await stage.running('COMMIT');
      const report = await db.resetConnection();
      expect(await transaction).to.deep.equal({ value: 'stored' });
      expect(await stage.database.query('select id from slow')).to.deep.equal([{ id: 1 }]);
      expect(report).to.include({ forcedConnections: 0, closedConnections: 1 });
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });

    it('resolves trx.commit() as well', async () => {
      const db = stage.resettable();
      const trx = await db.transaction();
      await trx('slow').insert({ id: 2 });
      const commit = outcome(trx.commit());
      await stage.running('COMMIT');
      await db.resetConnection();
      expect((await commit).error).to.be.undefined;
      await trx.executionPromise;
      expect(await stage.database.query('select id from slow')).to.deep.equal([{ id: 2 }]);
    });

    it('does not count it as aborted', async () => {
      const db = stage.resettable();
      const transaction = db.transaction((trx) => trx('slow').insert({ id: 3 }));
      await Promise.all([transaction, stage.running('COMMIT').then(() => db.resetConnection())]).then(([, report]) => {
        expect(report.abortedTransactions).to.be.empty;
      });
    });

    it('rejects with the database’s own error when the answer is an error', async () => {
      await stage.database.query(`
        create table refused (id int unique deferrable initially deferred);
        create function dawdle_twice() returns trigger language plpgsql as $$ begin perform pg_sleep(0.3); return null; end $$;
        create constraint trigger a_dawdle after insert on refused deferrable initially deferred
          for each row execute function dawdle_twice()`);
      const db = stage.resettable();
      const transaction = failure(db.transaction((trx) => trx('refused').insert([{ id: 1 }, { id: 1 }])));
      await stage.running('COMMIT');
      await db.resetConnection();
      expect(await transaction).to.have.property('code', '23505');
    });

    it('rejects with CommitUnknownError when no answer comes in time', async () => {
      const db = stage.resettable();
      const transaction = failure(db.transaction((trx) => trx('stuck').insert({ id: 1 })));
      await stage.running('COMMIT');
      const report = await db.resetConnection({ timeoutMillis: 1000 });
      const error = await transaction;
      expect(error).to.be.an.instanceof(CommitUnknownError).with.property('code', 'ERR_COMMIT_UNKNOWN');
      expect(error.cause).to.be.an.instanceof(ResetError);
      expect(report.durationMillis).to.be.below(1000 + 1500);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while the answer to a COMMIT is lost', () => {
    it('rejects with CommitUnknownError, and the row is there', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const fault = proxy.swallowAnswersAfter('COMMIT');
      const transaction = failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
        }),
      );
      await until('the row is there', async () => (await stage.database.query('select id from t')).length === 1);
      expect(fault.hits).to.equal(1);
      await db.resetConnection({ timeoutMillis: 1500 });
      expect(await transaction).to.be.an.instanceof(CommitUnknownError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while another transaction is in COMMIT', () => {
    it('aborts the idle one at once', async () => {
      const db = stage.resettable();
      const committing = db.transaction((trx) =>
        trx('slow')
          .insert({ id: 4 })
          .then(() => 'stored'),
      );
      const hanging = failure(db.transaction((trx) => trx('t').insert({ id: 5 }).then(never)));
      await stage.running('COMMIT');
      await until('both are open', () => db.connectionState().transactions.length === 2);
      const report = await db.resetConnection();
      expect(report.abortedTransactions).to.have.lengthOf(1);
      expect(await committing).to.equal('stored');
      expect(await hanging).to.be.an.instanceof(ResetError);
    });
  });
});
