// The end of a transaction takes its time once, whatever does not answer or never settles; and what a limit stops early never runs.
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { AfterCommitError, type AtomicTransaction, TransactionTimeoutError } from '../../lib';
import { millisOf } from '../support/outcome';
import { until } from '../support/until';
import { type Db, later, pidOf, rejection, useStage } from './stage';

const never = () => new Promise<never>(() => {});
const insert = (db: { raw: Db['raw'] }, id: number) => db.raw(`insert into t values (${id})`);
/** The instance's time in these specs. A starved machine takes longer for everything else. */
const TIME = 1500;
const TWICE = 2 * TIME - 50;

describe('the end of a transaction', () => {
  const stage = useStage({ timeoutMillis: TIME });
  const mine = new Error('mine');

  describe('when a statement is not answered', () => {
    it('is bounded when that is RELEASE', async () => {
      stage.proxy.swallowAnswersAfter(/RELEASE/);
      const block = stage.db.atomic((trx) => trx.atomic((inner) => insert(inner, 1)));
      expect(await millisOf(rejection(block))).to.be.below(TWICE);
      await stage.idle();
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('is a failure, not an unknown outcome, when the block swallowed that: COMMIT is never sent', async () => {
      stage.proxy.swallowAnswersAfter(/RELEASE/);
      const block = stage.db.atomic(async (trx) => {
        await rejection(trx.atomic((inner) => insert(inner, 1)));
      });
      expect(await rejection(block)).to.include({ code: 'ERR_TRANSACTION_FAILED' });
      expect(stage.sql).not.to.include('COMMIT;');
    });

    it('takes the bound once for three RELEASEs', async () => {
      stage.proxy.swallowAnswersAfter(/RELEASE/);
      const block = stage.db.atomic((a) => a.atomic((b) => b.atomic((c) => c.atomic((d) => insert(d, 1)))));
      expect(await millisOf(rejection(block))).to.be.below(TWICE);
    });

    it('takes the bound once for ROLLBACK TO, and the outer transaction is lost too', async () => {
      stage.proxy.swallowAnswersAfter(/ROLLBACK TO/);
      const block = stage.db.atomic(async (trx) => {
        await insert(trx, 1);
        expect(await rejection(trx.atomic(() => Promise.reject(mine)))).to.equal(mine);
      });
      expect(await millisOf(rejection(block))).to.be.below(TWICE);
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('takes the bound once for an inner block at its limit, however much time the outer one has', async () => {
      let millis = 0;
      const callback = async (trx: AtomicTransaction) => {
        const inner = rejection(trx.atomic((nested) => nested.raw('select pg_sleep(30)'), { timeoutMillis: 200 }));
        await stage.running(/pg_sleep/);
        stage.proxy.freeze();
        millis = await millisOf(inner);
        stage.proxy.thaw();
        throw mine;
      };
      expect(await rejection(stage.db.atomic(callback, { timeoutMillis: 60_000 }))).to.equal(mine);
      expect(millis).to.be.below(200 + TWICE);
    });

    it('takes the bound once for ROLLBACK and a running query', async () => {
      const block = stage.db.atomic(async (trx) => {
        void later(trx.raw('select pg_sleep(30)'));
        await stage.running(/pg_sleep/);
        stage.proxy.freeze();
        throw mine;
      });
      expect(await millisOf(rejection(block))).to.be.below(TWICE + 200);
      expect(await rejection(block)).to.equal(mine);
    });

    it('is unknown within the block’s limit and the instance’s time when that is COMMIT', async () => {
      const block = stage.db.atomic(
        async (trx) => {
          await insert(trx, 1);
          trx.beforeCommit(() => stage.proxy.freeze());
        },
        { timeoutMillis: 300 },
      );
      const taken = millisOf(rejection(block));
      expect(await rejection(block)).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
      expect(await taken).to.be.below(300 + TWICE);
    });

    for (const [whose, outer, inner] of [
      ['its own limit', {}, { timeoutMillis: 300 }],
      ['the limit of the block around it', { timeoutMillis: 300 }, {}],
    ] as const) {
      it(`rejects with the timeout of ${whose} when that is RELEASE`, async () => {
        stage.proxy.swallowAnswersAfter(/RELEASE/);
        let told: unknown;
        const block = stage.db.atomic(async (trx) => {
          told = await rejection(trx.atomic((nested) => insert(nested, 1), inner));
          throw told;
        }, outer);
        expect(await rejection(block)).to.be.instanceOf(TransactionTimeoutError);
        await until('the inner block is told', () => told !== undefined);
        expect(told).to.be.instanceOf(TransactionTimeoutError);
      });
    }

    it('takes no longer than the block’s limit and the instance’s time', async () => {
      const db = stage.make({ timeoutMillis: 2000 });
      await db.raw('select 1');
      stage.proxy.swallowAnswersAfter(/RELEASE/);
      const block = db.atomic((trx) => trx.atomic((inner) => insert(inner, 1)), { timeoutMillis: TIME });
      expect(await millisOf(rejection(block))).to.be.below(TIME + 2000 + 1500);
    });
  });

  describe('when a hook never settles', () => {
    it('does not wait for onFatal, also during a reset', async () => {
      const db = stage.make({ hooks: { onFatal: never } });
      const block = later(
        db.atomic(async (trx) => {
          await stage.database.terminate(await pidOf(trx));
          await trx.raw('select 1');
        }),
      );
      expect(await rejection(block)).to.include({ code: '57P01' });
      await stage.idle(db);
    });

    it('does not wait for afterRollback', async () => {
      const block = stage.db.atomic(async (trx) => {
        trx.afterRollback(never);
        throw mine;
      });
      expect(await rejection(block)).to.equal(mine);
    });

    it('gives afterRollback only the time that the ROLLBACK behind the block’s limit has left', async () => {
      const block = stage.db.atomic(
        async (trx) => {
          trx.afterRollback(never);
          stage.proxy.swallowAnswersAfter(/ROLLBACK/);
          await never();
        },
        { timeoutMillis: 300 },
      );
      expect(await millisOf(rejection(block))).to.be.below(300 + TWICE);
      expect(await rejection(block)).to.be.instanceOf(TransactionTimeoutError);
    });

    for (const [how, limit] of [
      ['time', () => ({ timeoutMillis: 300 })],
      ['signal', () => ({ signal: AbortSignal.timeout(300) })],
    ] as const) {
      it(`does not wait for afterCommit beyond the block’s ${how}, and the data is committed`, async () => {
        const block = stage.db.atomic(async (trx) => {
          await insert(trx, 1);
          trx.afterCommit(never);
        }, limit());
        expect(await rejection(block))
          .to.be.instanceOf(AfterCommitError)
          .and.to.include({ committed: true });
        expect(await stage.ids()).to.deep.equal([1]);
      });
    }

    for (const kind of ['afterBegin', 'beforeCommit'] as const) {
      it(`does not wait for ${kind} beyond the block’s limit`, async () => {
        const block = stage.db.atomic((trx) => insert(trx, 1), { timeoutMillis: 300, hooks: { [kind]: never } });
        expect(await rejection(block)).to.be.instanceOf(TransactionTimeoutError);
        expect(await stage.ids()).to.deep.equal([]);
        await stage.idle();
      });
    }
  });
});

describe('a block that is stopped before its callback', () => {
  const stage = useStage({}, { pool: { min: 0, max: 1 } });

  it('is never called when its limit is reached while BEGIN is under way', async () => {
    let calls = 0;
    stage.proxy.delayMillis = 150;
    const block = stage.db.atomic(() => void calls++, { timeoutMillis: 50 });
    expect(await rejection(block)).to.be.instanceOf(TransactionTimeoutError);
    stage.proxy.delayMillis = 0;
    await stage.idle();
    expect(calls).to.equal(0);
  });

  it('is never called when its SAVEPOINT is under way, and the outer block goes on', async () => {
    let calls = 0;
    await stage.db.atomic(async (trx) => {
      await insert(trx, 1);
      stage.proxy.delayMillis = 150;
      const inner = trx.atomic(() => void calls++, { timeoutMillis: 50 });
      expect(await rejection(inner)).to.be.instanceOf(TransactionTimeoutError);
      stage.proxy.delayMillis = 0;
      await insert(trx, 2);
    });
    expect(calls).to.equal(0);
    expect(await stage.ids()).to.deep.equal([1, 2]);
  });

  for (const reason of [null, 0, '', false, 'text']) {
    for (const when of ['while it waits for a connection', 'while it runs', 'while it commits'] as const) {
      it(`rejects with ${JSON.stringify(reason)} as a signal’s reason: ${when}`, async () => {
        const controller = new AbortController();
        let calls = 0;
        const hold = when === 'while it waits for a connection' ? await stage.db.transaction() : undefined;
        const hooks = when === 'while it commits' ? { beforeCommit: () => sleep(20) } : {};
        const block = later(
          stage.db.atomic(
            async (trx) => {
              calls++;
              await insert(trx, 1);
              if (when === 'while it runs') controller.abort(reason);
              if (when === 'while it commits') setTimeout(() => controller.abort(reason), 5);
              if (when === 'while it runs') await trx.raw('select 1');
            },
            { signal: controller.signal, hooks },
          ),
        );
        if (hold) {
          await until('it waits', () => stage.db.connectionState().connections.waiting === 1);
          controller.abort(reason);
        }
        expect(await rejection(block)).to.equal(reason);
        await hold?.rollback();
        await stage.idle();
        expect(calls).to.equal(hold ? 0 : 1);
        expect(await stage.ids()).to.deep.equal([]);
      });
    }
  }
});
