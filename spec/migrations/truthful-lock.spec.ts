// What the lock promises where its connection, its server or its caller fails: one runner at a time, and nothing left.
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Pool } from 'pg';
import { MigrationLockError, resettable } from '../../lib';
import { withMigrationLock } from '../../lib/migrations';
import { failure } from '../support/outcome';
import { makeKnex } from '../support/quiet-knex';
import { NOTHING, useStage } from '../support/stage';
import { until } from '../support/until';
import { defer } from '../../lib/words/waiting';
import { lockRow, sourceOf, startOver } from './source';

describe('withMigrationLock(), where something fails,', () => {
  const stage = useStage();

  beforeEach(() => startOver(stage.database));

  const lockBackend = () =>
    until('somebody has the lock', async () =>
      (await stage.database.locks()).find((lock) => lock.locktype === 'advisory'),
    );
  const terminateLock = async () => stage.database.terminate((await lockBackend()).pid);

  it('lets a work that has lost its lock ask nothing more, and what is asked after its end run', async () => {
    const db = stage.resettable();
    const [hasBegun, isLost, isTold] = [defer(), defer(), defer()];
    let refused: Error | undefined;
    const guarded = failure(
      withMigrationLock(db, async () => {
        hasBegun.resolve();
        await isLost.promise;
        refused = await failure(db.raw('select 1'));
        await failure(db.transaction());
        isTold.resolve();
      }),
    );
    await hasBegun.promise;
    await terminateLock();
    // It comes out after the reset, and does not wait for a work that never ends.
    expect(await guarded).to.be.an.instanceof(MigrationLockError);
    isLost.resolve();
    await isTold.promise;
    expect(refused).to.be.an.instanceof(MigrationLockError).with.property('message').that.includes('nothing more');
    await until('the instance lends again', () =>
      db.raw('select 1').then(
        () => true,
        () => false,
      ),
    );
  });

  it('gives a runner that has lost its lock time to stop, before its row is freed', async () => {
    const db = stage.resettable();
    await db.migrate.latest(sourceOf({}));
    await stage.database.query('update knex_migrations_lock set is_locked = 2');
    const startedAt = performance.now();
    await withMigrationLock(db, () => db.migrate.latest(sourceOf({})), { waitMillis: 0 });
    expect(performance.now() - startedAt).to.be.greaterThan(900);
    expect(await lockRow(stage.database)).to.deep.equal([0]);
  });

  it('says so where the lock is found lost when the work has ended', async () => {
    const proxy = await stage.proxy();
    const db = stage.resettable({ through: proxy });
    const error = await failure(withMigrationLock(db, () => proxy.freeze()));
    expect(error)
      .to.be.an.instanceof(MigrationLockError)
      .with.property('message')
      .that.includes('by the end of the work');
  }).timeout(40_000);

  it('is refused inside an ambient block, whose migrations nobody sees before its COMMIT', async () => {
    const db = stage.resettable({}, { ambient: true });
    const inside = () => withMigrationLock(db, () => 'done');
    expect(await failure(db.atomic(inside)))
      .to.be.an.instanceof(MigrationLockError)
      .with.property('message')
      .that.includes('ambient');
    expect(await db.atomic(() => db.outside(inside))).to.equal('done');
  });

  it('closes the connection of the lock where afterCreate fails', async () => {
    const afterCreate = (_raw: unknown, isDone: (error: Error) => void) => isDone(new Error('not today'));
    const db = stage.resettable({ pool: { afterCreate } as never });
    expect((await failure(withMigrationLock(db, () => 'done'))).message).to.equal('not today');
    expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
  });

  it('leaves neither lock nor statement where the lock row cannot be read', async () => {
    const db = stage.resettable();
    await db.migrate.latest(sourceOf({}));
    const other = await stage.knex().transaction();
    await other.raw('lock table knex_migrations_lock in access exclusive mode');
    const error = await failure(withMigrationLock(db, () => 'done', { waitMillis: 0 }));
    expect(error).to.be.an.instanceof(MigrationLockError);
    expect((await stage.database.locks()).filter(({ locktype }) => locktype === 'advisory')).to.be.empty;
    await other.rollback();
  });

  it('ends its wait when the instance is destroyed, and does not begin the work', async () => {
    const db = stage.resettable();
    const [isLocked, isToEnd] = [defer(), defer()];
    const first = withMigrationLock(stage.resettable(), async () => {
      isLocked.resolve();
      await isToEnd.promise;
    });
    await isLocked.promise;
    let isCalled = false;
    const second = failure(withMigrationLock(db, () => (isCalled = true)));
    await db.destroy();
    expect((await second).message).to.include('destroyed');
    isToEnd.resolve();
    await first;
    expect(isCalled).to.equal(false);
  });

  describe('with targetSessionAttrs', () => {
    const setReadOnly = (value: string) =>
      stage.database.query(
        `set default_transaction_read_only = off; begin read write; alter role "${stage.database.connection.user}" ${value}; commit`,
      );
    afterEach(() => setReadOnly('reset default_transaction_read_only'));

    it('takes the lock on the right kind of server only, and waits a little for one', async () => {
      await setReadOnly('set default_transaction_read_only = on');
      let asked = 0;
      const connection = async () => {
        if (++asked === 3) await setReadOnly('reset default_transaction_read_only');
        return stage.database.connection;
      };
      const db = stage.resettable({ connection }, { targetSessionAttrs: 'read-write' });
      expect(await withMigrationLock(db, () => db.raw('create table t (id int)').then(() => asked))).to.be.at.least(3);
    });

    it('rejects as a query does where there is none, and leaves nothing', async () => {
      await setReadOnly('set default_transaction_read_only = on');
      const db = stage.resettable({}, { targetSessionAttrs: 'read-write' });
      const error = await failure(withMigrationLock(db, () => 'done', { waitMillis: 0 }));
      expect(error.message).to.include("expected a 'read-write' server");
      expect(await stage.leftOnServer()).to.deep.equal(NOTHING);
    });
  });

  it('is refused with a pool of the user’s, where nothing says which server that leads to', async () => {
    const pool = new Pool(stage.database.connection);
    const db = resettable(makeKnex(undefined, { connectionPool: pool } as Knex.Config));
    const error = await failure(withMigrationLock(db, () => 'done'));
    expect(error.message).to.include('next to connectionPool, give connection as well');
    await db.destroy();
    await pool.end();
  });
});
