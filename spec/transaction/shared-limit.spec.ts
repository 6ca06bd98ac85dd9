// `transactionTimeoutMillis`: no transaction of the instance stays open for longer, whoever has forgotten it.
import { expect } from 'chai';
import type { Knex } from 'knex';
import sinon from 'sinon';
import { AfterCommitError, afterRollback, resettable, TransactionTimeoutError } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { never } from '../support/outcome';
import { until } from '../support/until';
import { type Db, later, pidOf, rejection, useStage } from './stage';

const insert = async (db: Knex, id: number) => {
  await db.raw(`insert into t values (${id})`);
};

describe('transactionTimeoutMillis', () => {
  const LIMIT = 150;
  const stage = useStage({ transactionTimeoutMillis: LIMIT }, { pool: { min: 0, max: 2 } });

  /** The limit's error, that says where the transaction was opened. */
  function expectTimeout(error: unknown, where = 'shared-limit.spec.ts'): void {
    expect(error).to.be.instanceOf(TransactionTimeoutError);
    const { message, transaction } = error as TransactionTimeoutError;
    expect(message)
      .to.match(/, opened at .*spec\.ts:\d+/)
      .and.include(where);
    expect(message).to.include(`ran past its timeout of ${LIMIT} ms`);
    expect(transaction?.stack).to.include(where);
  }

  describe('ends a handle that nobody ends', () => {
    async function handleRequest(): Promise<Knex.Transaction> {
      const trx = await stage.db.transaction();
      await insert(trx, 1);
      return trx;
    }

    it('and its connection is back in the pool, with nothing stored and no lock left', async () => {
      const trx = await handleRequest();
      const pid = await pidOf(trx);
      await stage.idle();
      expect(await stage.ids()).to.deep.equal([]);
      expect(await stage.database.locks()).to.deep.equal([]);
      expect(await pidOf(stage.db)).to.equal(pid);
      expect(trx.isCompleted()).to.be.true;
    });

    it('and rejects its promise and later queries, with the place where it was opened', async () => {
      const trx = await handleRequest();
      const promised = later(trx.executionPromise);
      await stage.idle();
      for (const late of [promised, trx('t'), trx.commit(), trx.transaction(async () => {})]) {
        expectTimeout(await rejection(late), 'handleRequest');
      }
      await trx.rollback();
    });

    it('and what runs on it is cancelled', async () => {
      const trx = await stage.db.transaction();
      expect(await rejection(trx.raw('select pg_sleep(20)'))).to.include({ code: '57014' });
      await stage.idle();
      expectTimeout(await rejection(trx('t')));
    });

    it('and what is open inside goes with it', async () => {
      const trx = await stage.db.transaction();
      const inner = await trx.transaction();
      await insert(inner, 1);
      await stage.idle();
      expectTimeout(await rejection(inner('t')));
      expect(await stage.ids()).to.deep.equal([]);
    });
  });

  it('ends a callback that hangs', async () => {
    expectTimeout(await rejection(stage.db.transaction(() => never())));
    await stage.idle();
  });

  it('ends a callback whose statement is slow', async () => {
    expectTimeout(await rejection(stage.db.transaction((trx) => trx.raw('select pg_sleep(20)'))));
    await stage.idle();
  });

  it('ends a callback that would commit by hand', async () => {
    expectTimeout(await rejection(stage.db.transaction((trx) => void later(insert(trx, 1)))));
    await stage.idle();
  });

  it('ends a provided transaction', async () => {
    const provide = stage.db.transactionProvider();
    const trx = await provide();
    await insert(trx, 1);
    await stage.idle();
    expectTimeout(await rejection((await provide())('t')));
  });

  it('ends a block without a limit of its own, with its hooks', async () => {
    const told: unknown[] = [];
    const block = stage.db.atomic(async (trx) => {
      await afterRollback(trx, ({ error }) => void told.push(error));
      await never();
    });
    const error = await rejection(block);
    expectTimeout(error);
    expect(told).to.deep.equal([error]);
  });

  it('ends transactions of copies', async () => {
    expectTimeout(await rejection(stage.db.withUserParams({ tenant: 1 }).transaction(() => never())));
  });

  it('ends each at its own time, in the order in which they began', async () => {
    const order: number[] = [];
    const started = performance.now();
    const open = (n: number) =>
      rejection(stage.db.transaction(() => never())).then((error) => {
        expectTimeout(error);
        order.push(n);
        expect(performance.now() - started).to.be.greaterThan(n === 1 ? LIMIT - 10 : LIMIT + 50);
      });
    const first = open(1);
    await new Promise((resolve) => setTimeout(resolve, 70));
    await Promise.all([first, open(2)]);
    expect(order).to.deep.equal([1, 2]);
  });

  it('does not affect transactions that end in time', async () => {
    for (let id = 1; id <= 5; id++) await stage.db.transaction((trx) => insert(trx, id));
    await new Promise((resolve) => setTimeout(resolve, LIMIT + 50));
    const trx = await stage.db.transaction();
    await insert(trx, 6);
    await trx.commit();
    expect(await stage.ids()).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it('does not count the wait for a connection', async () => {
    const db = stage.make({ transactionTimeoutMillis: LIMIT }, { pool: { min: 0, max: 1 } });
    const blocking = await db.client.acquireConnection();
    const waiting = db.transaction((trx) => insert(trx, 1));
    const outcome = waiting.then(() => 'stored');
    await new Promise((resolve) => setTimeout(resolve, LIMIT + 50));
    await db.client.releaseConnection(blocking);
    expect(await outcome).to.equal('stored');
  });

  it('ends a transaction whose BEGIN is not answered, and never calls its callback', async () => {
    let isCalled = false;
    stage.proxy.mode = 'blackhole';
    const error = await rejection(
      stage.db.transaction(async () => {
        isCalled = true;
      }),
    );
    expect(error).to.be.instanceOf(TransactionTimeoutError);
    stage.proxy.mode = 'pass';
    expect(isCalled).to.be.false;
    await stage.idle();
  });

  describe('goes after', () => {
    it('a longer limit of a block’s own', async () => {
      await stage.db.atomic((trx) => trx.raw(`select pg_sleep(${(LIMIT * 2) / 1000})`), { timeoutMillis: 60_000 });
    });

    it('a shorter limit of a block’s own', async () => {
      const error = await rejection(stage.db.atomic(() => never(), { timeoutMillis: 20 }));
      expect(error).to.be.instanceOf(TransactionTimeoutError).with.property('message').that.includes('20 ms');
    });

    it('Infinity, which lifts it', async () => {
      await stage.db.atomic((trx) => trx.raw(`select pg_sleep(${(LIMIT * 2) / 1000})`), { timeoutMillis: Infinity });
      await stage.db.atomic((trx) => trx.atomic((inner) => insert(inner, 1), { timeoutMillis: Infinity }));
    });
  });

  describe('in a sandbox', () => {
    it('does not end the sandbox, and ends the app’s transactions inside', async () => {
      const sandbox = await stage.db.openSandbox();
      await insert(stage.db, 1);
      const trx = await stage.db.transaction();
      await insert(trx, 2);
      await until('it was ended', () => trx.isCompleted());
      expectTimeout(await rejection(trx('t')));
      expectTimeout(await rejection(stage.db.transaction(() => never())));
      expect(await stage.db('t').pluck('id')).to.deep.equal([1]);
      await sandbox.close();
    });
  });

  for (const kind of ['block', 'plain transaction'] as const) {
    it(`gives up an afterCommit hook of a ${kind} that never settles: it is told as committed`, async () => {
      const db = stage.make({ transactionTimeoutMillis: LIMIT, timeoutMillis: 50, hooks: { afterCommit: never } });
      const work = (trx: Knex) => insert(trx, 1);
      const error = await rejection(kind === 'block' ? db.atomic(work) : db.transaction(work));
      expect(error).to.be.instanceOf(AfterCommitError).with.property('committed', true);
      expectTimeout((error as AfterCommitError).errors[0]);
      expect(await stage.db('t').pluck('id')).to.deep.equal([1]);
    });
  }

  it('gives up an onRetry hook that never settles, and the block is not tried again', async () => {
    let runs = 0;
    const lost = Object.assign(new Error('pretended'), { code: '40001' });
    const block = stage.db.atomic(
      () => {
        runs++;
        throw lost;
      },
      { retry: 2, hooks: { onRetry: never } },
    );
    const error = await rejection(block);
    expectTimeout(error);
    expect(error.cause).to.equal(lost);
    expect(runs).to.equal(1);
  });

  it('gives up an onRetry hook of a block that never got a connection', async () => {
    const db = stage.make(
      { transactionTimeoutMillis: LIMIT, hooks: { onRetry: never } },
      { connection: () => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' })) },
    );
    const error = await rejection(db.atomic(() => {}, { retry: 2 }));
    expect(error).to.be.instanceOf(TransactionTimeoutError);
    expect(error.cause).to.include({ code: 'ECONNREFUSED' });
  });

  it('leaves no timer behind', async () => {
    const armed = sinon.spy(globalThis, 'setTimeout');
    const cleared = sinon.spy(globalThis, 'clearTimeout');
    try {
      const db = stage.make({ transactionTimeoutMillis: 10_001 });
      const open = await db.transaction();
      await db.transaction((trx) => insert(trx, 1));
      await open.commit();
      const own = armed.getCalls().filter(({ args }) => args[1] === 10_001);
      expect(own).to.have.lengthOf(1);
      const [timer] = own.map(({ returnValue }) => returnValue as NodeJS.Timeout);
      expect(timer?.hasRef()).to.be.false;
      expect(cleared.calledWith(timer)).to.be.true;
    } finally {
      sinon.restore();
    }
  });

  it('is off by default', async () => {
    const db: Db = stage.make();
    await db.transaction((trx) => trx.raw(`select pg_sleep(${(LIMIT * 1.5) / 1000})`));
  });

  it('refuses a value that is no time', () => {
    for (const given of [0, -1, Number.NaN, '30000', null, Infinity]) {
      const make = () => resettable(makeKnex({}), { transactionTimeoutMillis: given as number });
      expect(make).to.throw(TypeError, /transactionTimeoutMillis: expected a number of milliseconds above 0/);
    }
  });
});
