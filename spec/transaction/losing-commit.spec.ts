// COMMIT was sent and its answer is lost: never a false success, never a false failure, never a second run.
import { expect } from 'chai';
import { CommitUnknownError } from '../../lib';
import type { FaultProxy } from '../support/fault-proxy';
import { millisOf } from '../support/outcome';
import { until } from '../support/until';
import { later, pidOf, rejection, useStage } from './stage';

interface Loss {
  name: string;
  arm: (proxy: FaultProxy) => unknown;
  /** What the database has in the end. */
  stored: number[];
}

const losses: Loss[] = [
  { name: 'right before COMMIT is forwarded', arm: (proxy) => proxy.cutBefore(/COMMIT/), stored: [] },
  { name: 'right after COMMIT was forwarded', arm: (proxy) => proxy.cutAfter(/COMMIT/), stored: [1] },
];

describe('a lost COMMIT, without verifyCommit', () => {
  const stage = useStage();
  const insert = (trx: { raw(sql: string): PromiseLike<unknown> }) => trx.raw('insert into t values (1)');

  for (const { name, arm, stored } of losses) {
    describe(`when the connection is cut ${name}`, () => {
      beforeEach(() => arm(stage.proxy));

      async function expectUnknown(promise: PromiseLike<unknown>): Promise<void> {
        const error = await rejection(promise);
        expect(error).to.be.instanceOf(CommitUnknownError).with.property('code', 'ERR_COMMIT_UNKNOWN');
        expect(error.cause).to.include({ code: 'ECONNRESET' });
        expect(error.xid).to.equal(undefined);
        await stage.idle();
        expect(stage.db.connectionState().connections).to.include({ idle: 0, inUse: 0 });
        await until('the backend is gone', async () => (await stage.database.backends()).length === 0);
        expect(await stage.ids()).to.deep.equal(stored);
      }

      it('rejects a block, which is not retried', async () => {
        let calls = 0;
        await expectUnknown(
          stage.db.atomic(
            (trx) => {
              calls++;
              return insert(trx);
            },
            { retry: 5 },
          ),
        );
        expect(calls).to.equal(1);
      });

      it('rejects a plain transaction', () => expectUnknown(stage.db.transaction((trx) => insert(trx) as never)));

      it('rejects commit() and executionPromise of a handle', async () => {
        const trx = await stage.db.transaction();
        await insert(trx);
        const committed = trx.commit();
        void later(trx.executionPromise);
        await expectUnknown(committed);
        await expectUnknown(trx.executionPromise);
      });

      it('runs afterUnknown, and neither afterCommit nor afterRollback', async () => {
        const log: string[] = [];
        const hooks = {
          afterUnknown: ({ error }: { error: unknown }) => void log.push((error as Error).name),
          afterCommit: () => void log.push('afterCommit'),
          afterRollback: () => void log.push('afterRollback'),
          onRetry: () => void log.push('onRetry'),
        };
        await expectUnknown(stage.db.atomic(insert, { hooks, retry: 2 }));
        expect(log).to.deep.equal(['CommitUnknownError']);
      });
    });
  }

  describe('when the answer is swallowed', () => {
    it('is unknown once a limit ends the wait', async () => {
      stage.proxy.swallowAnswersAfter(/COMMIT/);
      let error: unknown;
      const promise = rejection(stage.db.atomic(insert, { timeoutMillis: 300 })).then((reason) => {
        error = reason;
      });
      expect(await millisOf(promise)).to.be.lessThan(3000);
      expect(error).to.be.instanceOf(CommitUnknownError);
      expect(await stage.ids()).to.deep.equal([1]);
      await stage.idle();
    });

    it('is unknown once a reset ends the wait', async () => {
      stage.proxy.swallowAnswersAfter(/COMMIT/);
      const promise = later(stage.db.atomic(insert));
      await until('COMMIT was sent', () => stage.sql.includes('COMMIT;'));
      await stage.db.resetConnection({ timeoutMillis: 400 });
      const error = await rejection(promise);
      expect(error).to.be.instanceOf(CommitUnknownError);
      expect(error.cause).to.include({ code: 'ERR_RESET' });
      expect(await stage.ids()).to.deep.equal([1]);
    });

    it('is unknown once the socket dies', async () => {
      stage.proxy.swallowAnswersAfter(/COMMIT/);
      const promise = later(stage.db.atomic(insert));
      await until('it is committed', async () => (await stage.ids()).length === 1);
      stage.proxy.reset();
      expect(await rejection(promise)).to.be.instanceOf(CommitUnknownError);
    });
  });

  describe('when the connection is known to be dead before COMMIT is sent', () => {
    it('is a plain failure', async () => {
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          const pid = await pidOf(trx);
          await insert(trx);
          await stage.database.terminate(pid);
          await until('it is known', () => stage.db.connectionState().transactions.length === 0);
        }),
      );
      expect(error).not.to.be.instanceOf(CommitUnknownError);
      expect([error.code, error.cause?.code]).to.include('57P01');
      expect(stage.sql).not.to.include('COMMIT;');
      expect(await stage.ids()).to.deep.equal([]);
    });

    it('is a plain failure of a handle', async () => {
      const trx = await stage.db.transaction();
      void later(trx.executionPromise);
      await insert(trx);
      await stage.database.terminate(await pidOf(trx));
      await rejection(trx.executionPromise);
      expect(await rejection(trx.commit())).not.to.be.instanceOf(CommitUnknownError);
    });

    it('is a plain failure when a query noticed it and the callback returns at once', async () => {
      const error = await rejection(
        stage.db.atomic(async (trx) => {
          await stage.database.terminate(await pidOf(trx));
          await trx.raw('select 1').catch(() => {});
        }),
      );
      expect(error).not.to.be.instanceOf(CommitUnknownError);
      expect(stage.sql).not.to.include('COMMIT;');
    });
  });

  it('is never a success when the server crashes in COMMIT', async () => {
    await stage.database.query(`
      create function die() returns trigger language plpgsql as
        'begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end';
      create constraint trigger dies after insert on t initially deferred for each row execute function die();`);
    try {
      const error = await rejection(stage.db.atomic(insert));
      expect(error).to.be.instanceOf(CommitUnknownError);
      expect(error.cause).to.include({ code: '57P01' });
      expect(await stage.ids()).to.deep.equal([]);
    } finally {
      await stage.database.query('drop trigger dies on t');
    }
  });
});
