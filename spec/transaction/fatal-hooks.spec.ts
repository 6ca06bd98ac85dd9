// onFatal runs once a transaction, before it is rolled back or its connection discarded.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { atomic, type TransactionHookContext } from '../../lib';
import { until } from '../support/until';
import { pidOf, rejection, useStage } from './stage';

describe('onFatal', () => {
  const stage = useStage();

  it('runs once, although inner and outer blocks fail by the error and more errors follow', async () => {
    const ran: string[] = [];
    await rejection(
      stage.db.atomic(
        async (trx) => {
          const pid = await pidOf(trx);
          await trx
            .atomic(async (nested) => {
              await stage.database.terminate(pid);
              await nested.raw('select 1');
            })
            .catch(() => {});
          await trx.raw('select 2').catch(() => {});
          await trx.raw('select 3');
        },
        { hooks: { onFatal: () => void ran.push('onFatal'), afterRollback: () => void ran.push('afterRollback') } },
      ),
    );
    expect(ran).to.deep.equal(['onFatal', 'afterRollback']);
  });

  it('runs before the rollback hooks of inner blocks', async () => {
    const ran: string[] = [];
    await rejection(
      stage.db.atomic(async (trx) => {
        const pid = await pidOf(trx);
        const hooks = { onFatal: () => void ran.push('onFatal'), afterRollback: () => void ran.push('afterRollback') };
        await trx.atomic(
          async (nested) => {
            await stage.database.terminate(pid);
            await nested.raw('select 1');
          },
          { hooks },
        );
      }),
    );
    expect(ran).to.deep.equal(['onFatal', 'afterRollback']);
  });

  it('may take time, and the error of the callback is still the one that comes out', async () => {
    const mine = new Error('mine');
    const db = stage.make({ hooks: { onFatal: () => sleep(50) } });
    const transaction = db.transaction(async (trx) => {
      const query = rejection(trx.raw('select pg_sleep(30)'));
      await stage.running(/pg_sleep/);
      stage.proxy.reset();
      await query;
      throw mine;
    });
    expect(await rejection(transaction)).to.equal(mine);
  });

  it('is awaited also where the callback ends while it runs', async () => {
    const ran: string[] = [];
    let isRunning = false;
    const error = await rejection(
      stage.db.atomic(
        async (trx) => {
          await stage.database.terminate(await pidOf(trx));
          await until('the hook runs', () => isRunning);
          throw new Error('mine');
        },
        {
          hooks: {
            onFatal: async () => {
              isRunning = true;
              await sleep(50);
              ran.push('onFatal');
            },
            afterRollback: () => void ran.push('afterRollback'),
          },
        },
      ),
    );
    expect(error.message).to.equal('mine');
    expect(ran).to.deep.equal(['onFatal', 'afterRollback']);
  });

  for (const end of ['rollback', 'commit'] as const)
    it(`runs once, and waits for nothing, where it calls ${end}() of what it is for`, async () => {
      let runs = 0;
      const onFatal = async ({ trx }: TransactionHookContext) => {
        runs++;
        await trx[end]().catch(() => {});
      };
      const db = stage.make({ timeoutMillis: 5000, hooks: { onFatal } });
      const trx = await db.transaction();
      await stage.database.terminate(await pidOf(trx));
      const since = Date.now();
      await rejection(trx.raw('select 1'));
      await trx.rollback();
      expect(trx.isCompleted()).to.equal(true);
      expect(Date.now() - since).to.be.below(2000);
      expect(runs).to.equal(1);
    });

  it('waits for nothing where it rolls back the handle that its block is in', async () => {
    const trx = await stage.make({ timeoutMillis: 5000 }).transaction();
    const since = Date.now();
    const onFatal = async () => void (await trx.rollback());
    const block = async (inner: Knex.Transaction) => {
      await stage.database.terminate(await pidOf(inner));
      await inner.raw('select 1');
    };
    await rejection(atomic(trx, block, { hooks: { onFatal } }));
    await trx.rollback();
    expect(Date.now() - since).to.be.below(2000);
  });

  it('runs when the connection died while no query ran', async () => {
    const contexts: TransactionHookContext[] = [];
    const db = stage.make({ hooks: { onFatal: (context) => void contexts.push(context) } });
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    await stage.database.terminate(await pidOf(trx));
    await rejection(trx.executionPromise);
    expect(contexts).to.have.lengthOf(1);
    expect(contexts[0]).to.include({ fatal: true, trx });
    expect((contexts[0]!.error as { code: string }).code).to.equal('57P01');
  });

  it('runs when the user’s isFatal calls an error fatal, and the connection is closed', async () => {
    let calls = 0;
    const db = stage.make({
      isFatal: (error, standard) => standard || (error as { code?: string }).code === '22012',
      hooks: { onFatal: () => void calls++ },
    });
    let pid = 0;
    let refused: unknown;
    const error = await rejection(
      db.atomic(async (trx) => {
        pid = await pidOf(trx);
        await trx.atomic((nested) => nested.raw('select 1/0')).catch(() => {});
        refused = await rejection(trx.raw('select 1'));
      }),
    );
    expect(error).to.include({ code: '22012' });
    expect(refused).to.equal(error);
    expect(calls).to.equal(1);
    expect(await pidOf(db)).not.to.equal(pid);
  });

  it('keeps a connection whose error the user’s isFatal calls harmless', async () => {
    const db = stage.make({ isFatal: () => false, hooks: { onFatal: () => expect.fail('it ran') } });
    const pid = await pidOf(db);
    const raise = `do $$ begin raise exception 'pretended' using errcode = '58030'; end $$`;
    expect(await rejection(db.atomic((trx) => trx.raw(raise)))).to.include({ code: '58030' });
    expect(await pidOf(db)).to.equal(pid);
  });

  it('runs for a fatal SQLSTATE of a statement, and the connection is closed', async () => {
    let calls = 0;
    const db = stage.make({ hooks: { onFatal: () => void calls++ } });
    const pid = await pidOf(db);
    const raise = `do $$ begin raise exception 'pretended' using errcode = '58030'; end $$`;
    expect(await rejection(db.atomic((trx) => trx.raw(raise)))).to.include({ code: '58030' });
    expect(calls).to.equal(1);
    expect(await pidOf(db)).not.to.equal(pid);
  });

  it('does not run for an ordinary error', async () => {
    const db = stage.make({ hooks: { onFatal: () => expect.fail('it ran') } });
    expect(await rejection(db.atomic((trx) => trx.raw('select 1/0')))).to.include({ code: '22012' });
  });
});
