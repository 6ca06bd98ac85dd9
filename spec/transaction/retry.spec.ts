// The whole outermost block again, after a real rollback and for what another attempt may cure.
import type { EventEmitter } from 'node:events';
import { expect } from 'chai';
import { type AtomicTransaction, afterCommit, ResetError, resettable } from '../../lib';
import { defer, nextTurn } from '../../lib/words/waiting';
import { failure, never } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { until } from '../support/until';
import { type AnyError, later, pidOf, rejection, useStage } from './stage';

describe('a block with retry', () => {
  const stage = useStage();
  const retry = { attempts: 4, minDelayMillis: 0 };
  const fake = (code: string) => Object.assign(new Error(code), { code });

  it('runs again on a new connection when its own was lost before COMMIT was sent', async () => {
    const pids: number[] = [];
    const value = await stage.db.atomic(
      async (trx) => {
        pids.push(await pidOf(trx));
        if (trx.attempt === 1) await stage.database.terminate(pids[0]!);
        await trx.raw('insert into t values (1)');
        return 'value';
      },
      { retry },
    );
    expect(value).to.equal('value');
    expect(new Set(pids)).to.have.lengthOf(2);
    expect(await stage.ids()).to.deep.equal([1]);
  });

  const meetings: [string, (trx: AtomicTransaction) => unknown][] = [
    ['registering a hook', (trx) => trx.afterCommit(() => {})],
    ['a function that registers one', (trx) => afterCommit(trx, () => {})],
    [
      'a connection that it takes by hand',
      async (trx) => void (await trx.client.acquireConnection()).query('select 1'),
    ],
  ];
  for (const [what, meet] of meetings) {
    it(`runs again where ${what} was the first to meet the loss`, async () => {
      const value = await stage.db.atomic(
        async (trx) => {
          const raw = (await trx.client.acquireConnection()) as EventEmitter;
          await trx.client.releaseConnection(raw);
          if (trx.attempt === 2) return 'value';
          const pid = await pidOf(trx);
          const dying = new Promise((resolve) => raw.once('error', resolve));
          void later(stage.database.terminate(pid));
          await dying;
          await meet(trx);
          return 'of the first attempt';
        },
        { retry },
      );
      expect(value).to.equal('value');
    });
  }

  it('never runs again after a reset has aborted it, whatever `when` says', async () => {
    let calls = 0;
    const error = await rejection(
      stage.db.atomic(
        async (trx) => {
          calls++;
          await trx.raw('insert into t values (1)');
          await stage.db.resetConnection();
          await trx.raw('select 1');
        },
        { retry: { ...retry, when: () => true } },
      ),
    );
    expect(error).to.include({ code: 'ERR_RESET' });
    expect(calls).to.equal(1);
    expect(await stage.ids()).to.be.empty;
  });

  it('runs again when the connection was lost before the block was called', async () => {
    stage.proxy.cutBefore(/BEGIN/);
    const attempts: number[] = [];
    await stage.db.atomic((trx) => void attempts.push(trx.attempt), { retry });
    expect(attempts).to.deep.equal([2]);
  });

  it('sends ROLLBACK and BEGIN between the attempts', async () => {
    await stage.db.atomic(
      async (trx) => {
        await trx.raw(`insert into t values (${trx.attempt})`);
        if (trx.attempt === 1) throw fake('40001');
      },
      { retry },
    );
    expect(stage.sql).to.deep.equal([
      'BEGIN;',
      'insert into t values (1)',
      'ROLLBACK',
      'BEGIN;',
      'insert into t values (2)',
      'COMMIT;',
    ]);
  });

  it('runs again when a conflict was swallowed', async () => {
    const raise = `do $$ begin raise exception 'conflict' using errcode = '40001'; end $$`;
    const value = await stage.db.atomic(
      async (trx) => {
        if (trx.attempt === 1) await trx.raw(raise).catch(() => {});
        return trx.attempt;
      },
      { retry },
    );
    expect(value).to.equal(2);
  });

  for (const code of ['23505', '57014', '55P03', '25P02', '42P01']) {
    it(`does not run again for ${code}`, async () => {
      let calls = 0;
      const error = fake(code);
      const failing = () => {
        calls++;
        throw error;
      };
      expect(await rejection(stage.db.atomic(failing, { retry }))).to.equal(error);
      expect(calls).to.equal(1);
    });
  }

  it('does not run again for a reset', async () => {
    let calls = 0;
    const promise = later(
      stage.db.atomic(
        (trx) => {
          calls++;
          return trx.raw('select pg_sleep(10)');
        },
        { retry },
      ),
    );
    await stage.running(/pg_sleep/);
    await stage.db.resetConnection();
    expect(await rejection(promise)).to.include({ code: 'ERR_RESET' });
    expect(calls).to.equal(1);
  });

  it('rejects with the last error as it is when the attempts run out', async () => {
    const errors: AnyError[] = [];
    const error = await rejection(
      stage.db.atomic(
        (trx) => {
          const conflict = fake('40001');
          conflict.message = `attempt ${trx.attempt}`;
          errors.push(conflict as unknown as AnyError);
          throw conflict;
        },
        { retry: { attempts: 3, minDelayMillis: 0 } },
      ),
    );
    expect(errors).to.have.lengthOf(3);
    expect(error).to.equal(errors[2]);
    expect(error).not.to.have.property('suppressed');
  });

  it('takes a number of attempts', async () => {
    let calls = 0;
    const error = fake('40P01');
    const failing = () => {
      calls++;
      throw error;
    };
    expect(await rejection(stage.db.atomic(failing, { retry: 2 }))).to.equal(error);
    expect(calls).to.equal(2);
  });

  it('lets a handle of a failed attempt be over', async () => {
    let first: AtomicTransaction | undefined;
    await stage.db.atomic(
      async (trx) => {
        first ??= trx;
        if (trx.attempt === 1) throw fake('40001');
        expect((await rejection(first.raw('select 1'))).message).to.match(/complete/i);
      },
      { retry },
    );
  });

  it('waits for the callback of the lost attempt to end before the next one starts', async () => {
    let inside = 0;
    await stage.db.atomic(
      async (trx) => {
        expect(++inside).to.equal(1);
        if (trx.attempt === 1) {
          await stage.database.terminate(await pidOf(trx));
          await stage.database.query('select pg_sleep(0.05)');
        }
        inside--;
      },
      { retry },
    );
  });

  it('rejects within the instance’s time where the callback of the lost attempt never ends, and does not run it again', async () => {
    const db = resettable(makeKnex(stage.database.connection, { pool: { max: 1 } }), { timeoutMillis: 200 });
    let calls = 0;
    const block = db.atomic(
      async (trx) => {
        calls++;
        await stage.database.terminate(await pidOf(trx));
        await never();
      },
      { retry: { attempts: 3, when: () => true } },
    );
    // Its place in the pool is free before that.
    await until('the connection is gone', () => calls === 1 && db.connectionState().connections.inUse === 0);
    await db.raw('select 1');
    expect(await failure(block)).to.include({ code: '57P01' });
    expect(calls).to.equal(1);
    await db.destroy();
  });

  it('rejects with ResetError where a reset comes while it waits for the callback to end', async () => {
    const isLost = defer();
    const block = later(
      stage.db.atomic(
        async (trx) => {
          await stage.database.terminate(await pidOf(trx));
          await until('the transaction is over', () => trx.isCompleted());
          isLost.resolve();
          await never();
        },
        { retry },
      ),
    );
    await isLost.promise;
    await nextTurn();
    await stage.db.resetConnection();
    expect(await rejection(block)).to.be.instanceOf(ResetError);
  });

  it('says what its last attempt has failed of where its time is up before the next one', async () => {
    const conflict = fake('40001');
    const failing = () => Promise.reject(conflict);
    const options = { timeoutMillis: 100, retry: { attempts: 2, minDelayMillis: 1e6, maxDelayMillis: 1e6 } };
    const error = await rejection(stage.db.atomic(failing, options));
    expect(error).to.include({ code: 'ERR_TRANSACTION_TIMEOUT', cause: conflict });
  });

  describe('when a condition is given', () => {
    it('asks it with the error and the attempt', async () => {
      const asked: unknown[] = [];
      const mine = new Error('mine');
      const when = (error: unknown, attempt: number) => {
        asked.push([error, attempt]);
        return attempt < 2;
      };
      const failing = () => Promise.reject(mine);
      expect(await rejection(stage.db.atomic(failing, { retry: { ...retry, when } }))).to.equal(mine);
      expect(asked).to.deep.equal([
        [mine, 1],
        [mine, 2],
      ]);
    });

    it('lets it refuse what is tried again otherwise', async () => {
      let calls = 0;
      const failing = () => {
        calls++;
        throw fake('40001');
      };
      await rejection(stage.db.atomic(failing, { retry: { ...retry, when: () => false } }));
      expect(calls).to.equal(1);
    });

    it('does not ask it about the last attempt', async () => {
      let asked = 0;
      await rejection(
        stage.db.atomic(() => Promise.reject(new Error('mine')), {
          retry: { attempts: 2, minDelayMillis: 0, when: () => ++asked > 0 },
        }),
      );
      expect(asked).to.equal(1);
    });

    it('never runs a block again whose COMMIT may have happened', async () => {
      let calls = 0;
      stage.proxy.cutAfter(/COMMIT/);
      const error = await rejection(
        stage.db.atomic(
          (trx) => {
            calls++;
            return trx.raw('insert into t values (1)');
          },
          { retry: { ...retry, when: () => true } },
        ),
      );
      expect(error).to.include({ code: 'ERR_COMMIT_UNKNOWN' });
      expect(calls).to.equal(1);
    });
  });
});
