// Hooks that try to end their block, and failures that nobody but the block hears of.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { atomic, BlockControlError, type TransactionHookContext } from '../../lib';
import { type Db, later, rejection, useStage } from './stage';

const insert = async (db: { raw: Db['raw'] }, id: number) => {
  await db.raw(`insert into t values (${id})`);
};

describe('a block', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  describe('a hook that ends its block by hand', () => {
    for (const call of ['commit', 'rollback'] as const) {
      for (const kind of ['afterBegin', 'beforeCommit'] as const) {
        it(`gets BlockControlError from ${call}() in ${kind}`, async () => {
          const hook = async ({ trx }: TransactionHookContext) => void (await trx[call]());
          const block = stage.db.atomic((trx) => insert(trx, 1), { hooks: { [kind]: hook } });
          expect(await Promise.race([rejection(block), sleep(1000, 'hangs')])).to.be.instanceOf(BlockControlError);
          expect(await stage.ids()).to.deep.equal([]);
        });
      }
      it(`gets BlockControlError from ${call}() in afterCommit`, async () => {
        const hook = async ({ trx }: TransactionHookContext) => void (await trx[call]());
        const block = stage.db.atomic((trx) => insert(trx, 1), { hooks: { afterCommit: hook } });
        const error = await Promise.race([rejection(block), sleep(1000)]);
        expect(error).to.include({ code: 'ERR_AFTER_COMMIT' });
        expect(error!.cause).to.be.instanceOf(BlockControlError);
      });
    }

    it('and so does a block that joined a plain transaction', async () => {
      const error = await rejection(
        stage.db.transaction((trx) => atomic(trx, (joined) => joined.commit(), { savepoint: false })),
      );
      expect(error).to.be.instanceOf(BlockControlError);
    });
  });

  it('an error of a service is no lost connection: the block is not run again', async () => {
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

  it('an un-awaited query that fails before it is sent fails the block', async () => {
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
