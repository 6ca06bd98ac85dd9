// Transactions that were open when their instance was made resettable: from the first block or hook in one on, it is one of the instance's.
import { expect } from 'chai';
import type { Knex } from 'knex';
import {
  afterCommit,
  atomic,
  ResetError,
  resettable,
  type ResettableOptions,
  TransactionTimeoutError,
} from '../../lib';
import { failure, nextTurn, watch } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';
import { until } from '../support/until';

describe('a transaction that began before its instance was resettable', () => {
  const stage = useStage();
  let db: ResettableKnex;
  before(() => stage.database.query('create table t (id int)'));
  beforeEach(() => stage.database.query('delete from t'));

  const from: Record<string, (plain: Knex) => Knex> = {
    'the instance': (plain) => plain,
    'a copy that was made before': (plain) => plain.withUserParams({ tenant: 1 }),
  };
  const entries: Record<string, (trx: Knex.Transaction) => Promise<unknown>> = {
    'a block': (trx) => atomic(trx, (inner) => inner('t').insert({ id: 2 })),
    'a hook': (trx) => afterCommit(trx, () => {}),
  };

  for (const [asked, instanceOf] of Object.entries(from)) {
    for (const [what, enter] of Object.entries(entries)) {
      describe(`of ${asked}, with ${what} in it`, () => {
        let trx: Knex.Transaction;
        const open = async (options?: ResettableOptions) => {
          const plain = stage.knex();
          trx = await instanceOf(plain).transaction();
          await trx('t').insert({ id: 1 });
          db = stage.adopt(resettable(plain, options));
          await enter(trx);
        };

        it('is shown as open, and stores its work', async () => {
          await open();
          expect(db.connectionState().transactions).to.have.length(1);
          await trx.commit();
          expect(db.connectionState()).to.deep.include({ transactions: [] });
          expect(await db('t').where({ id: 1 }).pluck('id')).to.deep.equal([1]);
        });

        it('is aborted by a reset, and its holders get ResetError', async () => {
          await open();
          const done = watch(trx.executionPromise as Promise<unknown>);
          const report = await db.resetConnection();
          await nextTurn();
          expect(report.abortedTransactions).to.have.length(1);
          expect(done.error).to.be.an.instanceof(ResetError);
          expect(await failure(trx.commit())).to.be.an.instanceof(ResetError);
          expect(trx.isCompleted()).to.be.true;
          expect(await db('t').pluck('id')).to.deep.equal([]);
        });

        it('rejects later queries with ResetError after a reset, and is not open any more', async () => {
          const plain = stage.knex();
          trx = await instanceOf(plain).transaction();
          db = stage.adopt(resettable(plain));
          await db.resetConnection();
          expect(await failure(enter(trx))).to.be.an.instanceof(ResetError);
          expect(db.connectionState()).to.deep.include({ transactions: [] });
          await trx.rollback();
        });

        it('is aborted by destroy()', async () => {
          await open({ timeoutMillis: 100 });
          const told = failure(trx.executionPromise as Promise<unknown>);
          await db.destroy();
          expect(await told).to.be.an.instanceof(ResetError);
        });

        it('has the time limit of the instance from that moment', async () => {
          await open({ transactionTimeoutMillis: 100 });
          expect(await failure(trx.executionPromise as Promise<unknown>)).to.be.an.instanceof(TransactionTimeoutError);
          await until('it is over', () => db.connectionState().transactions.length === 0);
        });

        it('runs the hooks of the instance', async () => {
          const ran: string[] = [];
          await open({ hooks: { beforeCommit: ({ depth }) => void ran.push(`before ${depth}`) } });
          await trx.commit();
          expect(ran).to.include('before 1');
        });
      });
    }
  }
});
