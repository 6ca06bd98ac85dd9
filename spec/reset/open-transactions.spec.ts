// What becomes of open transactions: on the server, and for those who hold them.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { failure, never, nextTurn, outcome, watch } from '../support/outcome';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';

describe('resetConnection()', () => {
  const stage = useStage();

  before(() => stage.database.query('create table t (id int primary key)'));
  afterEach(() => stage.database.query('truncate t'));

  describe('while a transaction is open', () => {
    it('rolls it back on the server', async () => {
      const db = stage.resettable();
      const trx = await db.transaction();
      await trx('t').insert({ id: 1 });
      const report = await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(await stage.database.query('select id from t')).to.be.empty;
      expect(report.abortedTransactions).to.have.lengthOf(1);
      await failure(trx.executionPromise);
    });

    it('rejects its promise with ResetError', async () => {
      const db = stage.resettable();
      const transaction = failure(db.transaction((trx) => trx('t').insert({ id: 1 }).then(never)));
      await until('the insert is done', async () => (await stage.database.backends())[0]?.query.startsWith('insert'));
      const { abortedTransactions } = await db.resetConnection({ reason: 'next test' });
      const error = await transaction;
      expect(error)
        .to.be.an.instanceof(ResetError)
        .and.include({ reason: 'next test', generation: 1, code: 'ERR_RESET' });
      expect(error.transaction).to.include({ id: abortedTransactions[0]!.id, depth: 1 });
    });

    it('frees the locks of one that runs a long query, long before that would end', async () => {
      const db = stage.resettable();
      const transaction = failure(
        db.transaction(async (trx) => {
          await trx.raw('lock table t in access exclusive mode');
          await trx.raw('select pg_sleep(30)');
        }),
      );
      await stage.running('pg_sleep');
      const report = await db.resetConnection();
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
      expect(report.durationMillis).to.be.below(3000);
      expect(report.forcedConnections).to.equal(0);
      await stage.database.query("set lock_timeout = '1ms'; truncate t");
      expect(await transaction).to.be.an.instanceof(ResetError);
    });

    it('rejects its running query at once', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const trx = await db.transaction();
      const query = watch(trx.raw('select pg_sleep(30)'));
      await stage.running('pg_sleep');
      proxy.freeze(); // the server cannot have answered
      const reset = db.resetConnection({ timeoutMillis: 2000 });
      await nextTurn();
      expect(query.error).to.be.an.instanceof(ResetError).with.property('transaction');
      proxy.thaw();
      await reset;
      await failure(trx.executionPromise);
    });
  });

  describe('while a transaction waits for something that never settles', () => {
    it('settles its promise and its execution promise one turn of the event loop after the reset', async () => {
      const db = stage.resettable();
      let handle: Knex.Transaction | undefined;
      const transaction = watch(
        db.transaction(async (trx) => {
          handle = trx;
          await trx('t').insert({ id: 1 });
          await never();
        }),
      );
      const { executionPromise } = await until('the callback runs', () => handle);
      const execution = watch(executionPromise);
      await db.resetConnection();
      await nextTurn();
      expect(transaction.error).to.be.an.instanceof(ResetError);
      expect(execution.error).to.be.an.instanceof(ResetError);
    });

    it('settles the execution promise of one without a callback as well', async () => {
      const db = stage.resettable();
      const trx = await db.transaction();
      const execution = watch(trx.executionPromise);
      await db.resetConnection();
      await nextTurn();
      expect(execution.error).to.be.an.instanceof(ResetError);
    });
  });

  describe('while the callback of a transaction handles the abort', () => {
    it('rejects with the error that the callback threw', async () => {
      const db = stage.resettable();
      const own = new Error('what the callback made of it');
      const transaction = outcome(
        db.transaction(async (trx) => {
          await trx.raw('select pg_sleep(30)').catch(() => {
            throw own;
          });
        }),
      );
      await stage.running('pg_sleep');
      await db.resetConnection();
      expect((await transaction).error).to.equal(own);
    });

    it('rejects with ResetError when the callback swallowed the abort and returned', async () => {
      const db = stage.resettable();
      const transaction = failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          await trx.raw('select pg_sleep(30)').catch(() => {});
          return 'as if nothing had happened';
        }),
      );
      await stage.running('pg_sleep');
      await db.resetConnection();
      expect(await transaction).to.be.an.instanceof(ResetError);
      expect(await stage.database.query('select id from t')).to.be.empty;
    });
  });

  describe('while a savepoint is open', () => {
    it('aborts the inner and the outer transaction', async () => {
      const db = stage.resettable();
      const inners: Promise<Error>[] = [];
      const outer = failure(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          const inner = trx.transaction((nested) => nested.raw('select pg_sleep(30)'));
          inners.push(failure(inner));
          await inner;
        }),
      );
      await stage.running('pg_sleep');
      const { abortedTransactions } = await db.resetConnection();
      expect(abortedTransactions.map(({ depth }) => depth)).to.deep.equal([2]);
      for (const promise of [...inners, outer]) expect(await promise).to.be.an.instanceof(ResetError);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while a savepoint is being released', () => {
    it('rejects the inner and the outer transaction with ResetError', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const fault = proxy.swallowAnswersAfter('RELEASE');
      const inners: Promise<Error>[] = [];
      const outer = failure(
        db.transaction((trx) => {
          const inner = trx.transaction((nested) => nested('t').insert({ id: 1 }));
          inners.push(failure(inner));
          return inner;
        }),
      );
      await until('RELEASE is sent', () => fault.hits === 1);
      await db.resetConnection({ timeoutMillis: 1500 });
      for (const promise of [...inners, outer]) expect(await promise).to.be.an.instanceof(ResetError);
      expect(await stage.database.query('select id from t')).to.be.empty;
    });
  });

  describe('while a transaction begins', () => {
    it('rejects it with ResetError, and does not call its callback', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      await db.raw('select 1');
      const fault = proxy.swallowAnswersAfter('BEGIN');
      let calls = 0;
      const transaction = failure(db.transaction(async () => ++calls));
      await until('BEGIN is sent', () => fault.hits === 1);
      await db.resetConnection({ timeoutMillis: 1500 });
      expect(await transaction).to.be.an.instanceof(ResetError);
      expect(calls).to.equal(0);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while a transaction rolls back', () => {
    it('rejects with the callback’s error', async () => {
      const proxy = await stage.proxy();
      const db = stage.resettable({ through: proxy });
      const own = new Error('why it rolls back');
      const fault = proxy.swallowAnswersAfter('ROLLBACK');
      const transaction = outcome(
        db.transaction(async (trx) => {
          await trx('t').insert({ id: 1 });
          throw own;
        }),
      );
      await until('ROLLBACK is sent', () => fault.hits === 1);
      await db.resetConnection({ timeoutMillis: 1500 });
      expect((await transaction).error).to.equal(own);
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  describe('while a transaction has failed', () => {
    it('aborts it as well', async () => {
      const db = stage.resettable();
      const trx = await db.transaction();
      await failure(trx.raw('select 1/0'));
      const { abortedTransactions } = await db.resetConnection();
      expect(abortedTransactions.map(({ state }) => state)).to.deep.equal(['failed']);
      expect(await failure(trx.executionPromise)).to.be.an.instanceof(ResetError);
    });
  });
});
