// A block that was asked before a reset is not tried again after it, whatever it failed of.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ResetError } from '../../lib';
import { until } from '../support/until';
import { later, pidOf, rejection, useStage } from './stage';

describe('a block with retry, when a reset begins', () => {
  const stage = useStage();
  const conflict = Object.assign(new Error('conflict'), { code: '40001' });
  const mine = new Error('mine');
  let runs = 0;
  beforeEach(() => {
    runs = 0;
  });

  for (const [what, error, waiting] of [
    ['with a conflict', conflict, 'reject'],
    ['with a conflict, by a reset that requeues', conflict, 'requeue'],
    ['with an error that `when` takes', mine, 'reject'],
  ] as const) {
    it(`rejects when its attempt fails ${what} in the grace`, async () => {
      let fail!: () => void;
      const failing = new Promise<void>((resolve) => {
        fail = resolve;
      });
      let isOpen!: () => void;
      const opened = new Promise<void>((resolve) => {
        isOpen = resolve;
      });
      const block = later(
        stage.db.atomic(
          async (trx) => {
            await trx('t').insert({ id: ++runs });
            isOpen();
            await failing;
            throw error;
          },
          { retry: { attempts: 3, when: () => true } },
        ),
      );
      await opened;
      const reset = stage.db.resetConnection({ graceMillis: 2000, waiting });
      fail();
      expect(await rejection(block)).to.equal(error);
      await reset;
      expect(runs).to.equal(1);
      expect(await stage.ids()).to.deep.equal([]);
    });
  }

  it('rejects when a hook before the next attempt waits meanwhile', async () => {
    const block = stage.db.atomic(
      async () => {
        runs++;
        throw conflict;
      },
      { retry: 3, hooks: { onRetry: () => stage.db.resetConnection() } },
    );
    expect(await rejection(block))
      .to.be.instanceOf(ResetError)
      .and.to.include({ cause: conflict });
    expect(runs).to.equal(1);
  });

  it('rejects at once when its second attempt waits for a connection, also at a reset that requeues other waiters', async () => {
    const db = stage.make({}, { pool: { min: 0, max: 1 } });
    let holder: Knex.Transaction | undefined;
    const block = later(
      db.atomic(
        () => {
          runs++;
          throw conflict;
        },
        {
          retry: 2,
          hooks: {
            // Asked while the first attempt has the only connection, so that it is the next to have it.
            afterBegin: () => void later(db.transaction().then((trx) => (holder = trx))),
          },
        },
      ),
    );
    await until('the block waits for a connection', () => holder && db.connectionState().connections.waiting === 1);
    const query = later(db.raw('select 1'));
    await until('a query waits as well', () => db.connectionState().connections.waiting === 2);
    const reset = db.resetConnection({ waiting: 'requeue' });
    expect(await rejection(block))
      .to.be.instanceOf(ResetError)
      .and.to.include({ cause: conflict });
    expect(await reset).to.include({ rejectedWaiters: 1, requeuedWaiters: 1 });
    await query;
    expect(runs).to.equal(1);
  });

  it('is retried when the reset was made for its own fatal error', async () => {
    const db = stage.make({ onFatal: 'reset' });
    const block = (trx: Knex.Transaction) =>
      pidOf(trx).then(async (pid) => {
        if (++runs > 1) return 'done';
        await stage.database.terminate(pid);
        return trx.raw('select 1');
      });
    expect(await db.atomic(block, { retry: 2 })).to.equal('done');
    expect(runs).to.equal(2);
    expect(db.connectionState().generation).to.equal(1);
  });

  for (const [when, connections] of [
    ['in its callback', 'close'],
    ['in its callback', 'recycle'],
    ['in a later turn', 'close'],
  ] as const) {
    it(`is not retried when an explicit reset joins that one ${when} (${connections})`, async () => {
      const db = stage.make({ onFatal: 'reset' });
      let isLost = false;
      const block = later(
        db.atomic(
          async (trx) => {
            await trx('t').insert({ id: ++runs });
            await stage.database.terminate(await pidOf(trx));
            try {
              await trx.raw('select pg_sleep(5)');
            } catch (error) {
              isLost = true;
              if (when === 'in its callback')
                void db.resetConnection({ reason: 'explicit', connections, waiting: 'requeue' });
              throw error;
            }
          },
          { retry: { attempts: 3, minDelayMillis: 100, maxDelayMillis: 100 } },
        ),
      );
      await until('its connection is lost', () => isLost);
      await db.resetConnection({ reason: 'explicit', connections });
      await rejection(block);
      await db.raw('select 1');
      expect(runs).to.equal(1);
      expect(await stage.ids()).to.deep.equal([]);
    });
  }
});
