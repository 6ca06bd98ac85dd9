// `afterCommit(dbOrTrx, hook)` and its siblings: the same timeline as the hooks of blocks, from code that gets an instance or a transaction.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { afterCommit, afterRollback, atomic, beforeCommit, type TransactionHookContext } from '../../lib';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { later, rejection, useStage } from './stage';

const insert = async (db: Knex, id: number) => {
  await db.raw(`insert into t values (${id})`);
};
const mine = new Error('mine');

describe('hooks from anywhere', () => {
  const stage = useStage({}, { pool: { min: 0, max: 2 } });
  let told: string[];
  beforeEach(() => {
    told = [];
  });
  const tell = (what: string) => () => void told.push(what);

  /** Code that knows neither who calls it nor whether there is a transaction. */
  async function order(dbOrTrx: Knex, id: number): Promise<void> {
    const store = async (db: Knex) => {
      await insert(db, id);
      await afterCommit(db, async () => void told.push(`mail ${id}, stored: ${(await stage.ids()).includes(id)}`));
    };
    await store(dbOrTrx);
  }

  /** Each way to have a transaction around a piece of work. */
  const ways: [string, (work: (trx: Knex.Transaction) => Promise<void>) => Promise<unknown>][] = [
    ['a plain callback', (work) => stage.db.transaction(work)],
    ['a block', (work) => stage.db.atomic(work)],
    [
      'a plain handle',
      async (work) => {
        const trx = await stage.db.transaction();
        await work(trx).catch(async (error) => {
          await trx.rollback(error);
          throw error;
        });
        await trx.commit();
      },
    ],
    [
      'a provided transaction',
      async (work) => {
        const provide = stage.db.transactionProvider();
        const trx = await provide();
        await work(await provide()).catch(async (error) => {
          await trx.rollback(error);
          throw error;
        });
        await trx.commit();
      },
    ],
    ['a nested transaction', (work) => stage.db.transaction((trx) => trx.transaction(work))],
    ['a transaction of a copy', (work) => stage.db.withUserParams({ tenant: 1 }).transaction(work)],
    [
      'a transaction that knex began without the package',
      async (work) => {
        const plain = makeKnex(stage.database.connection, { pool: { min: 0, max: 1 } });
        await plain.transaction(work).finally(() => plain.destroy());
      },
    ],
    [
      'a savepoint in a transaction that knex began without the package',
      async (work) => {
        const plain = makeKnex(stage.database.connection, { pool: { min: 0, max: 1 } });
        await plain.transaction((trx) => trx.transaction(work)).finally(() => plain.destroy());
      },
    ],
  ];

  for (const [name, within] of ways) {
    describe(`in ${name}`, () => {
      it('run after COMMIT, before the transaction resolves', async () => {
        await within(async (trx) => {
          await order(trx, 1);
          await beforeCommit(trx, tell('before'));
          await afterRollback(trx, tell('undone'));
        });
        expect(told).to.deep.equal(['before', 'mail 1, stored: true']);
      });

      it('are dropped by a rollback, but for afterRollback', async () => {
        const work = within(async (trx) => {
          await order(trx, 1);
          await afterRollback(trx, ({ error }) => void told.push(`undone: ${(error as Error).message}`));
          throw mine;
        });
        expect(await rejection(work)).to.equal(mine);
        expect(told).to.deep.equal(['undone: mine']);
        expect(await stage.ids()).to.deep.equal([]);
      });

      it('that throw after COMMIT reject it with AfterCommitError', async () => {
        const work = within(async (trx) => {
          await insert(trx, 1);
          await afterCommit(trx, () => {
            throw mine;
          });
          await afterCommit(trx, tell('the other'));
        });
        const error = await rejection(work);
        expect(error).to.include({ code: 'ERR_AFTER_COMMIT', committed: true });
        expect(error.errors).to.deep.equal([mine]);
        expect(told).to.deep.equal(['the other']);
        expect(await stage.ids()).to.deep.equal([1]);
      });

      it('that throw before COMMIT roll it back', async () => {
        const work = within(async (trx) => {
          await insert(trx, 1);
          await beforeCommit(trx, async () => {
            throw mine;
          });
        });
        expect(await rejection(work)).to.equal(mine);
        expect(await stage.ids()).to.deep.equal([]);
      });

      it('are refused once it is finished', async () => {
        let kept!: Knex.Transaction;
        await within(async (trx) => {
          kept = trx;
        });
        for (const register of [afterCommit, beforeCommit, afterRollback]) {
          expect(await rejection(register(kept, tell('never')))).to.match(/transaction .*is finished/);
        }
        expect(told).to.be.empty;
      });
    });
  }

  it('have one order with those of blocks, and are dropped with their savepoint', async () => {
    await stage.db.atomic(async (trx) => {
      await afterCommit(trx, tell('1'));
      trx.afterCommit(tell('2'));
      await trx.atomic(async (inner) => {
        await afterCommit(inner, tell('3'));
        inner.afterCommit(tell('4'));
      });
      const undone = trx.transaction(async (inner) => {
        await afterCommit(inner, tell('never'));
        throw mine;
      });
      expect(await rejection(undone)).to.equal(mine);
      await afterCommit(trx, tell('5'));
    });
    expect(told).to.deep.equal(['1', '2', '3', '4', '5']);
  });

  it('are registered synchronously', async () => {
    await stage.db.transaction(async (trx) => {
      void later(afterCommit(trx, tell('registered')));
    });
    expect(told).to.deep.equal(['registered']);
  });

  it('get the context of the block that registered them', async () => {
    const contexts: TransactionHookContext[] = [];
    await stage.db.atomic(
      (trx) => trx.atomic((inner) => afterCommit(inner, (context) => void contexts.push(context))),
      {
        label: 'order',
      },
    );
    expect(contexts).to.have.lengthOf(1);
    expect(contexts[0]).to.include({ label: 'order', depth: 2, attempt: 1, fatal: false }).and.to.be.frozen;
  });

  it('are dropped by a reset', async () => {
    const trx = await stage.db.transaction();
    await order(trx, 1);
    await afterRollback(trx, ({ error }) => void told.push((error as { code: string }).code));
    await stage.db.resetConnection();
    expect(await rejection(afterCommit(trx, tell('never')))).to.include({ code: 'ERR_RESET' });
    await until('the hook of the rollback ran', () => told.length > 0);
    expect(told).to.deep.equal(['ERR_RESET']);
  });

  it('go to the transaction that a block joined', async () => {
    await stage.db.transaction(async (trx) => {
      await atomic(trx, (joined) => order(joined, 1), { savepoint: false });
      expect(told).to.be.empty;
    });
    expect(told).to.deep.equal(['mail 1, stored: true']);
  });

  describe('in a transaction that knex began without the package', () => {
    let plain: Knex;
    beforeEach(() => {
      plain = makeKnex(stage.database.connection, { pool: { min: 0, max: 1 } });
    });
    afterEach(() => plain.destroy());

    it('are refused while it is being committed, and its connection is kept', async () => {
      const trx = await plain.transaction();
      await insert(trx, 1);
      // Control is not taken yet when the end is asked for.
      const registered = later(afterCommit(trx, tell('never')));
      const committed = trx.commit();
      expect(await rejection(registered)).to.match(/is finished/);
      await committed;
      expect(await rejection(atomic(trx, (inner) => insert(inner, 2)))).to.match(/is finished/);
      await plain.transaction((next) => insert(next, 3));
      expect([await stage.ids(), told]).to.deep.equal([[1, 3], []]);
    });

    it('do not change its outcome: a swallowed error rejects it, and no hook runs', async () => {
      const work = plain.transaction(async (trx) => {
        await afterCommit(trx, tell('never'));
        await rejection(trx.raw('select nope'));
      });
      expect(await rejection(work)).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      expect(told).to.be.empty;
    });

    it('run afterRollback when its connection dies', async () => {
      const work = plain.transaction(async (trx) => {
        await afterRollback(trx, ({ error }) => void told.push((error as { code: string }).code));
        await trx.raw('select pg_terminate_backend(pg_backend_pid())');
      });
      expect(await rejection(work)).to.include({ code: '57P01' });
      expect(told).to.deep.equal(['57P01']);
    });
  });

  describe('on an instance', () => {
    it('run afterCommit at once outside of any transaction, and await it', async () => {
      await order(stage.db, 1);
      expect(told).to.deep.equal(['mail 1, stored: true']);
      await order(stage.db.withUserParams({ tenant: 1 }), 2);
      expect(told).to.deep.equal(['mail 1, stored: true', 'mail 2, stored: true']);
    });

    it('give a hook that runs at once a context that says so', async () => {
      let given!: TransactionHookContext;
      await afterCommit(stage.db, (context) => {
        given = context;
      });
      expect(given).to.include({ trx: stage.db, depth: 0, attempt: 1 }).and.to.be.frozen;
    });

    it('reject with the error of a hook that ran at once', async () => {
      expect(await rejection(afterCommit(stage.db, () => Promise.reject(mine)))).to.equal(mine);
    });

    it('refuse beforeCommit and afterRollback outside of any transaction', async () => {
      for (const register of [beforeCommit, afterRollback]) {
        const error = await rejection(register(stage.db, tell('never')));
        expect(error).to.be.instanceOf(TypeError).with.property('message').that.includes('outside of any transaction');
      }
    });

    it('go to the ambient block', async () => {
      const db = stage.make({ ambient: true });
      await db.atomic(async () => {
        await order(db, 1);
        await beforeCommit(db.withUserParams({ tenant: 1 }), tell('before'));
        const undone = db.transaction(async () => {
          await afterCommit(db, tell('never'));
          throw mine;
        });
        expect(await rejection(undone)).to.equal(mine);
        expect(told).to.be.empty;
      });
      expect(told).to.deep.equal(['before', 'mail 1, stored: true']);
      await order(db, 2);
      expect(told.at(-1)).to.equal('mail 2, stored: true');
    });

    it('are refused in code that an ambient block left running', async () => {
      const db = stage.make({ ambient: true });
      let go!: () => void;
      const gone = new Promise<void>((resolve) => {
        go = resolve;
      });
      let left!: Promise<void>;
      await db.atomic(async () => {
        left = later(gone.then(() => afterCommit(db, tell('never'))));
      });
      go();
      expect(await rejection(left)).to.match(/is finished/);
    });

    it('go to the app’s transactions in a sandbox, and run at once outside of them, as in production', async () => {
      const db = stage.db;
      await db.sandbox(async () => {
        await afterCommit(db, tell('at once'));
        expect(told).to.deep.equal(['at once']);
        await db.atomic(async (trx) => {
          await afterCommit(trx, tell('of the handle'));
          await afterCommit(db, tell('of the context'));
          expect(told).to.have.lengthOf(1);
        });
        expect(told).to.deep.equal(['at once', 'of the handle', 'of the context']);
        expect(await rejection(afterRollback(db, tell('never')))).to.be.instanceOf(TypeError);
      });
    });

    it('go the same way in a pinned sandbox', async () => {
      const db = stage.db;
      const sandbox = await db.openSandbox();
      const trx = await db.transaction();
      await afterCommit(trx, tell('stored'));
      await trx.commit();
      await afterCommit(db, tell('at once'));
      expect(told).to.deep.equal(['stored', 'at once']);
      await sandbox.close();
    });
  });

  describe('given a wrong value', () => {
    it('throw a TypeError that names the function', async () => {
      const plain = makeKnex(stage.database.connection);
      const given: [unknown, string][] = [
        [undefined, 'undefined'],
        [null, 'null'],
        [{}, 'an object'],
        [plain, 'a plain Knex instance; call resettable(knex) first'],
        [plain('t'), 'an instance of'],
        ['db', 'a string'],
      ];
      for (const register of [afterCommit, beforeCommit, afterRollback]) {
        for (const [value, name] of given) {
          const error = await rejection(register(value as Knex, tell('never')));
          expect(error).to.be.instanceOf(TypeError);
          expect(error.message).to.include(`${register.name}(): expected a resettable Knex instance`).and.include(name);
        }
        for (const hook of [undefined, null, 'mail', {}]) {
          const error = await rejection(register(stage.db, hook as never));
          expect(error).to.be.instanceOf(TypeError).with.property('message').that.includes('a function as the hook');
        }
      }
      await plain.destroy();
    });
  });
});
