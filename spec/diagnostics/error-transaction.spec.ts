// That the errors of a transaction say which one it was, and where it was opened.
import { expect } from 'chai';
import { CommitUnknownError, ResetError, TransactionFailedError, TransactionTimeoutError } from '../../lib';
import { never } from '../support/outcome';
import { until } from '../support/until';
import { type AnyError, type Db, later, rejection, useStage } from '../transaction/stage';
import { expectUserFrames } from './stage';

const FILE = 'error-transaction.spec.ts';

type Opener = (db: Db) => PromiseLike<unknown>;

describe('an error of a transaction', () => {
  const stage = useStage();

  function expectOpenedBy(name: string, error: AnyError, expected: object): void {
    const { transaction } = error as { transaction?: { stack: string } };
    expect(transaction).to.include(expected);
    expectUserFrames(transaction?.stack ?? '', FILE, name);
  }

  describe('that is a TransactionFailedError', () => {
    const openers: Record<string, Opener> = {
      'of a plain transaction': function opener(db) {
        return db.transaction((trx) => trx.raw('select 1/0').catch(() => {}));
      },
      'of a block': function opener(db) {
        return db.atomic((trx) => trx.raw('select 1/0').catch(() => {}));
      },
      'of commit()': function opener(db) {
        return db.transaction().then(async (trx) => {
          void later(trx.executionPromise);
          await rejection(trx.raw('select 1/0'));
          await trx.commit();
        });
      },
      'of commit() after a rollback': function opener(db) {
        return db.transaction().then(async (trx) => {
          await trx.rollback();
          await trx.commit();
        });
      },
      'of a block that another had joined': function opener(db) {
        return db.atomic((trx) =>
          trx.atomic(() => Promise.reject(new Error('mine')), { savepoint: false }).catch(() => {}),
        );
      },
    };
    for (const [title, opener] of Object.entries(openers)) {
      it(`describes the transaction (${title})`, async () => {
        const error = await rejection(opener(stage.db));
        expect(error).to.be.an.instanceof(TransactionFailedError);
        expectOpenedBy('opener', error, { depth: 1, label: undefined });
      });
    }

    it('describes the transaction of a savepoint', async () => {
      const error = await rejection(
        stage.db.atomic((trx) =>
          (function inner() {
            return trx.atomic((nested) => nested.raw('select 1/0').catch(() => {}), { label: 'the inner one' });
          })(),
        ),
      );
      expect(error).to.be.an.instanceof(TransactionFailedError);
      expectOpenedBy('inner', error, { label: 'the inner one' });
    });
  });

  describe('that is a TransactionTimeoutError', () => {
    it('describes the transaction', async () => {
      const error = await rejection(
        (function opener() {
          return stage.db.atomic((trx) => trx.raw('select pg_sleep(30)'), { timeoutMillis: 250, label: 'slow' });
        })(),
      );
      expect(error).to.be.an.instanceof(TransactionTimeoutError);
      expectOpenedBy('opener', error, { label: 'slow', state: 'running', lastSql: 'select pg_sleep(30)' });
    });

    it('describes no transaction when it had no connection', async () => {
      const db = stage.make({}, { pool: { max: 1 } });
      const held = await db.transaction();
      const error = await rejection(db.atomic(() => {}, { timeoutMillis: 60 }));
      expect(error).to.be.an.instanceof(TransactionTimeoutError).and.not.to.have.property('transaction');
      await held.commit();
    });
  });

  describe('that is a CommitUnknownError', () => {
    const openers: Record<string, Opener> = {
      'of a plain transaction': function opener(db) {
        return db.transaction((trx) => trx.raw('insert into t values (1)'));
      },
      'of a block': function opener(db) {
        return db.atomic((trx) => trx.raw('insert into t values (1)'));
      },
    };
    for (const [title, opener] of Object.entries(openers)) {
      it(`describes the transaction (${title})`, async () => {
        stage.proxy.cutAfter(/COMMIT/);
        const error = await rejection(opener(stage.db));
        expect(error).to.be.an.instanceof(CommitUnknownError);
        expectOpenedBy('opener', error, { lastSql: 'COMMIT;' });
      });
    }
  });

  describe('that is a ResetError', () => {
    it('describes the transaction, and so does the error of each query on its handle', async () => {
      const trx = await (function opener() {
        return stage.db.transaction();
      })();
      const running = rejection(trx.raw('select pg_sleep(30)'));
      await stage.running(/pg_sleep/);
      await stage.db.resetConnection();
      const errors = [
        running,
        rejection(trx.raw('select 1')),
        rejection(trx.commit()),
        rejection(trx.executionPromise),
      ];
      for (const error of await Promise.all(errors)) {
        expect(error).to.be.an.instanceof(ResetError);
        expectOpenedBy('opener', error, { depth: 1, lastSql: 'select pg_sleep(30)' });
      }
    });

    it('describes a block', async () => {
      const block = later(
        (function opener() {
          return stage.db.atomic((trx) => trx.raw('select 1').then(never), { label: 'billing' });
        })(),
      );
      await until('it is open', () => stage.db.connectionState().transactions.length === 1);
      await stage.db.resetConnection();
      expectOpenedBy('opener', await rejection(block), { label: 'billing' });
    });

    it('describes no transaction for a query outside of one', async () => {
      const query = rejection(stage.db.raw('select pg_sleep(30)'));
      await stage.running(/pg_sleep/);
      await stage.db.resetConnection();
      expect(await query)
        .to.be.an.instanceof(ResetError)
        .and.not.to.have.property('transaction');
    });
  });
});
