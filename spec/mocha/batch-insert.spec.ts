// A batchInsert() that a test has not awaited: knex begins its transaction when the test is over already.
import { expect } from 'chai';
import sinon from 'sinon';
import { type ResetHooks, resetHooks } from '../../lib/mocha';
import { failure, nextTurn, outcome } from '../support/outcome';
import { type ResettableKnex, useStage } from '../support/stage';

describe('a batchInsert() that was not awaited', () => {
  const stage = useStage();
  let db: ResettableKnex;
  const rows = [{ id: 1 }, { id: 2 }];

  before(() => stage.database.query('create table t (id int primary key)'));
  beforeEach(() => {
    db = stage.resettable();
  });
  afterEach(async () => {
    expect(await stage.database.query('select * from t')).to.be.empty;
  });

  for (const isolation of ['sandbox', 'reset', 'recycle', 'clean'] as const) {
    describe(`with isolation '${isolation}'`, () => {
      let hooks: ResetHooks;

      beforeEach(() => {
        hooks = resetHooks(db, { isolation });
      });
      afterEach(() => hooks.afterAll());

      it('fails its test, which says where it was asked, and stores nothing', async () => {
        await hooks.beforeEach();
        const inserted = failure(db.batchInsert('t', rows, 1));
        const { message } = await failure(hooks.afterEach());
        expect(message).to.include('left 1 transaction open').and.to.include('batch-insert.spec.ts');
        expect((await inserted).message).not.to.equal('');
      });

      it('in a transaction of the test’s is that transaction’s', async () => {
        await hooks.beforeEach();
        const trx = await db.transaction();
        trx.executionPromise.catch(() => {});
        const inserted = outcome(db.batchInsert('t', rows, 1).transacting(trx));
        const { message } = await failure(hooks.afterEach());
        expect(message).to.include('left 1 transaction open');
        expect(await inserted).to.have.property('error');
      });

      it('is no leak where it was awaited, or was refused at once', async () => {
        await hooks.beforeEach();
        await db.batchInsert('t', rows, 1);
        expect(() => db.batchInsert('t', rows, 0)).to.throw(TypeError, 'chunkSize');
        await db('t').delete();
        await hooks.afterEach();
      });
    });
  }

  it('takes no stack where nothing is recorded any more', async () => {
    await (await db.openSandbox()).close();
    const capture = sinon.spy(Error, 'captureStackTrace');
    const inserting = db.batchInsert('t', rows, 1);
    const stacks = capture.callCount;
    capture.restore();
    await inserting;
    await db('t').delete();
    expect(stacks).to.equal(0);
  });

  it('is in the report of a sandbox', async () => {
    const sandbox = await db.openSandbox();
    const inserted = failure(db.batchInsert('t', rows, 1));
    const { transactions } = await sandbox.close();
    expect(transactions.map(({ stack }) => stack.includes('batch-insert.spec.ts'))).to.deep.equal([true]);
    expect(await inserted).to.include({ code: 'ERR_SANDBOX' });
  });

  it('rejects unhandled, once, if nobody handles it', async () => {
    const sandbox = await db.openSandbox();
    const heard: unknown[] = [];
    const { emit } = process as { emit: (...args: unknown[]) => boolean };
    const listening = (event: unknown, ...args: unknown[]): boolean =>
      event === 'unhandledRejection' ? heard.push(args[0]) > 0 : emit.call(process, event, ...args);
    Object.assign(process, { emit: listening });
    try {
      void db.batchInsert('t', [{ no: 1 }], 1);
      await sandbox.close();
      await nextTurn();
      await nextTurn();
    } finally {
      Object.assign(process, { emit });
    }
    expect(heard).to.have.lengthOf(1);
  });
});
