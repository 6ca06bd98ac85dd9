// Hooks that try to end their block, and failures that nobody but the block hears of.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { atomic, BlockControlError, type TransactionHookContext } from '../../lib';
import { type Db, later, rejection, useStage } from './stage';

const late = () =>
  sleep(3000).then(() => {
    throw new Error('it hangs');
  });

const insert = async (db: { raw: Db['raw'] }, id: number) => {
  await db.raw(`insert into t values (${id})`);
};

describe('a block', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  describe('in a hook that ends the block by hand', () => {
    for (const call of ['commit', 'rollback'] as const) {
      for (const kind of ['afterBegin', 'beforeCommit'] as const) {
        it(`gets BlockControlError from ${call}() in ${kind}`, async () => {
          const hook = async ({ trx }: TransactionHookContext) => void (await trx[call]());
          const block = stage.db.atomic((trx) => insert(trx, 1), { hooks: { [kind]: hook } });
          expect(await Promise.race([rejection(block), sleep(1000, 'hangs')])).to.be.instanceOf(BlockControlError);
          expect(await stage.ids()).to.deep.equal([]);
        });
      }
    }

    for (const call of ['commit', 'rollback'] as const) {
      const hook = async ({ trx }: TransactionHookContext) => void (await trx[call]());

      it(`does nothing by ${call}() in afterCommit`, async () => {
        const db = stage.make({ hooks: { afterCommit: hook } });
        await Promise.race([db.atomic((trx) => insert(trx, 1)), late()]);
        await Promise.race([db.transaction((trx) => insert(trx, 2)), late()]);
        const trx = await db.transaction();
        await insert(trx, 3);
        await Promise.race([trx.commit(), late()]);
        expect(await stage.ids()).to.deep.equal([1, 2, 3]);
      });

      it(`does nothing by ${call}() in afterRollback`, async () => {
        const mine = new Error('mine');
        const db = stage.make({ hooks: { afterRollback: hook } });
        const fail = async () => {
          throw mine;
        };
        expect(await Promise.race([rejection(db.atomic(fail)), late()])).to.equal(mine);
        expect(await Promise.race([rejection(db.transaction(fail)), late()])).to.equal(mine);
        const trx = await db.transaction();
        await Promise.race([trx.rollback(), late()]);
      });
    }

    it('gets BlockControlError from commit() in beforeCommit of a plain transaction, and stores nothing', async () => {
      const db = stage.make({ hooks: { beforeCommit: ({ trx }) => trx.commit() } });
      const transaction = db.transaction((trx) => insert(trx, 1));
      expect(await Promise.race([rejection(transaction), late()])).to.be.instanceOf(BlockControlError);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('rolls back by rollback() in beforeCommit of a plain transaction', async () => {
      const db = stage.make({ hooks: { beforeCommit: ({ trx }) => trx.rollback() } });
      const trx = await db.transaction();
      await insert(trx, 1);
      expect(await Promise.race([rejection(trx.commit()), late()])).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      expect(await stage.ids()).to.deep.equal([]);
    });

    for (const [call, code] of [
      ['commit', 'ERR_BLOCK_CONTROL'],
      ['rollback', 'ERR_TRANSACTION_FAILED'],
    ] as const) {
      const hook = async ({ trx }: TransactionHookContext) => void (await trx[call]());

      it(`rejects by ${call}() in afterBegin of a plain transaction, whose callback is not called`, async () => {
        const db = stage.make({ hooks: { afterBegin: hook } });
        let calls = 0;
        const transaction = db.transaction(async () => void calls++);
        expect(await Promise.race([rejection(transaction), late()])).to.include({ code });
        expect(calls).to.equal(0);
      });

      it(`rejects by ${call}() in afterBegin of a handle`, async () => {
        const db = stage.make({ hooks: { afterBegin: hook } });
        expect(await Promise.race([rejection(db.transaction()), late()])).to.include({ code });
        expect(db.connectionState().connections.inUse).to.equal(0);
      });
    }

    it('rolls back by rollback() in beforeCommit of a block that joined a plain transaction', async () => {
      const error = await rejection(
        stage.db.transaction((trx) => atomic(trx, (joined) => joined.commit(), { savepoint: false })),
      );
      expect(error).to.be.instanceOf(BlockControlError);
    });
  });

  describe('when commit() is called twice', () => {
    for (const what of ['at once', 'while the hook runs', 'afterwards'] as const) {
      it(`runs beforeCommit once: ${what}`, async () => {
        let runs = 0;
        let began!: () => void;
        const hookBegan = new Promise<void>((resolve) => {
          began = resolve;
        });
        const hook = async () => {
          runs++;
          began();
          await sleep(20);
        };
        const trx = await stage.make({ hooks: { beforeCommit: hook } }).transaction();
        await insert(trx, 1);
        const first = trx.commit();
        if (what === 'while the hook runs') await hookBegan;
        if (what === 'afterwards') await first;
        const both = Promise.allSettled([first, trx.commit()]);
        const [one] = await Promise.race([both, late()]);
        expect(one!.status).to.equal('fulfilled');
        expect(runs).to.equal(1);
        expect(await stage.ids()).to.deep.equal([1]);
      });
    }
  });

  describe('when other blocks joined it', () => {
    const joined = { savepoint: false } as const;

    it('rejects with the error of one in a Promise.all, once the other has ended', async () => {
      const mine = new Error('mine');
      let isDone = false;
      const block = stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        const failing = trx.atomic(() => Promise.reject(mine), joined);
        const other = trx.atomic(async (inner) => {
          try {
            await inner.raw('select pg_sleep(0.1)');
          } finally {
            isDone = true;
          }
        }, joined);
        await Promise.all([failing, other]);
      });
      expect(await Promise.race([rejection(block), late()])).to.equal(mine);
      expect(isDone).to.be.true;
      expect(await stage.ids()).to.deep.equal([]);
      await stage.idle();
    });

    it('waits for one that it did not await', async () => {
      await stage.db.atomic(async (trx) => {
        void later(
          trx.atomic(async (inner) => {
            await insert(inner, 1);
            await sleep(20);
            await insert(inner, 2);
          }, joined),
        );
      });
      expect(await stage.ids()).to.deep.equal([1, 2]);
    });

    it('rejects when one that it did not await fails', async () => {
      const mine = new Error('mine');
      const block = stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        void trx.atomic(async () => {
          await sleep(20);
          throw mine;
        }, joined);
      });
      const error = await Promise.race([rejection(block), late()]);
      expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      expect(error.cause).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('ends in time when one never settles', async () => {
      const mine = new Error('mine');
      const block = stage.db.atomic(async (trx) => {
        void later(trx.atomic(() => new Promise(() => {}), joined));
        throw mine;
      });
      expect(await Promise.race([rejection(block), late()])).to.equal(mine);
    });
  });

  describe('when it did not await an inner block', () => {
    for (const [what, handled] of [
      ['and nobody handles', false],
      ['but that is handled elsewhere', true],
    ] as const) {
      it(`rejects when that fails, ${what}`, async () => {
        const mine = new Error('mine');
        const block = stage.db.atomic(async (trx) => {
          await insert(trx, 1);
          const inner = trx.atomic(async () => {
            await sleep(20);
            throw mine;
          });
          if (handled) inner.catch(() => {});
        });
        const error = await Promise.race([rejection(block), late()]);
        expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED' });
        expect(error.cause).to.equal(mine);
        expect(await stage.ids()).to.deep.equal([]);
      });
    }

    it('waits for it in a plain transaction', async () => {
      await stage.db.transaction(async (trx) => {
        void trx.transaction(async (inner) => {
          await sleep(20);
          await insert(inner, 1);
        });
      });
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('does not wait for a handle that was left open', async () => {
      await Promise.race([stage.db.transaction(async (trx) => void (await trx.transaction())), late()]);
    });

    it('rejects when that has failed before and nobody awaited it', async () => {
      const mine = new Error('mine');
      const block = stage.db.atomic(async (trx) => {
        void trx.atomic(() => Promise.reject(mine));
        await sleep(50);
        await insert(trx, 1);
      });
      const error = await Promise.race([rejection(block), late()]);
      expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      expect(error.cause).to.equal(mine);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('resolves when its failure was caught, however late', async () => {
      await stage.db.atomic(async (trx) => {
        const inner = trx.atomic(() => Promise.reject(new Error('mine')));
        await sleep(50); // it has failed by now
        await insert(trx, 1);
        await inner.catch(() => {});
      });
      expect(await stage.ids()).to.deep.equal([1]);
    });
  });

  it('does not take an error of a service for a lost connection, and is not retried', async () => {
    let runs = 0;
    const fatal: string[] = [];
    const refused = Object.assign(new Error('payment service'), { code: 'ECONNRESET' });
    const block = stage.db.atomic(
      () => {
        runs++;
        throw refused;
      },
      { retry: 3, hooks: { onFatal: () => void fatal.push('onFatal') } },
    );
    expect(await rejection(block)).to.equal(refused);
    expect([runs, fatal]).to.deep.equal([1, []]);
  });

  it('fails by an un-awaited query that fails before it is sent', async () => {
    const error = await rejection(
      stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        void later(trx('t').where({ id: undefined as never }));
      }),
    );
    expect(error).to.include({ code: 'ERR_TRANSACTION_FAILED' });
    expect(await stage.ids()).to.deep.equal([]);
  });
});
