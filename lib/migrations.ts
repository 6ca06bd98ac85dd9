// The entry point `knex-reset/migrations`: one migration runner at a time.
import type { Knex } from 'knex';
import type { Instance } from './instance';
import { runGuarded } from './migration-lock/guarded-work';
import { beforeWork, type LockConnection, openLockConnection } from './migration-lock/lock-connection';
import { LockRow } from './migration-lock/lock-row';
import { refusePooler } from './migration-lock/refuse-pooler';
import { SessionLock } from './migration-lock/session-lock';
import { pause, type Wait } from './migration-lock/wait';
import { saysWrongServer } from './recovery/right-server';
import { registeredOf } from './registry';
import type { Awaitable } from './words/block-types';
import { MigrationLockError } from './words/errors';
import { checkCallable, checkOptions, DEFAULTS, flag, millis, text } from './words/options';
import type { Resettable } from './words/types';
import { Deadline } from './words/waiting';

/**
 * Options of `withMigrationLock()`.
 * @see docs/migrations.md#withmigrationlock
 */
export interface MigrationLockOptions {
  /**
   * How long to wait for other runners, in milliseconds.
   * @default 60000
   */
  waitMillis?: number | undefined;
  /**
   * Whether to free the lock row of a plain runner after `waitMillis`. Use it only if that runner is dead.
   * @default false
   */
  force?: boolean | undefined;
  /**
   * The table that keeps the migrations, if `work` gives another one to `db.migrate` than the config has.
   * @default `migrations.tableName` of the config
   */
  tableName?: string | undefined;
  /**
   * The schema of that table.
   * @default `migrations.schemaName` of the config
   */
  schemaName?: string | undefined;
}

/** How long the right kind of server is looked for, as long as the connection leads to another. */
const RIGHT_SERVER_MILLIS = 5000;

/**
 * Runs `work`, which calls `db.migrate`, while no other process does the same under this lock. The lock belongs to a
 * connection of its own, outside the pool: resets inside the work leave it alone, and it dies with its process. What a
 * killed `withMigrationLock` process left in knex's lock table is freed; a row that a plain runner holds is waited for.
 * Afterwards, also when the work threw, no connection of `db` from before is lent again, so that no cached plan or type outlives the DDL:
 * idle ones are closed, busy ones when they come back. Nothing that runs is aborted: tenants may migrate side by side, and the app may go on.
 *
 * Two calls in one process wait for each other like two processes; one inside another waits until `waitMillis`. Session locks need a
 * direct connection: a pooler that lends connections by the transaction is refused.
 *
 * @example
 * const [batch, names] = await withMigrationLock(db, () => db.migrate.latest());
 *
 * @returns what `work` returned
 * @throws MigrationLockError (`ERR_MIGRATION_LOCK`) when the lock was not free within `waitMillis`, with its holder in the
 * message, and when it was lost while the work ran: the work's connections are reset then, whatever is asked of `db` until the work has ended
 * rejects, and `cause` is what ended the lock's connection. Also inside an ambient block of `db`.
 * @throws TypeError for anything but a resettable instance, and for bad options
 * @see docs/migrations.md
 */
export async function withMigrationLock<T, K extends Knex = Knex>(
  db: K & Resettable,
  work: () => Awaitable<T>,
  options?: MigrationLockOptions,
): Promise<T> {
  const where = 'withMigrationLock';
  const instance = registeredOf(where, db);
  const { waitMillis, force, ...table } = check(where, work, options);
  refuseInside(instance);
  const knex = db as unknown as Knex;
  const row = new LockRow(knex, table);
  const wait: Wait = { deadline: new Deadline(waitMillis), waitMillis, goOn: () => refuseDestroyed(instance) };
  const open = () => openLockConnection(instance, knex, waitMillis);
  const connection = await openRight(open, wait);
  try {
    const lock = await beforeWork(async () => {
      const session = await refusePooler(connection, () => openRight(open, wait));
      const taken = new SessionLock(connection, session);
      await taken.take(row.table, wait);
      await row.wait(connection, wait, force);
      return taken;
    });
    wait.goOn();
    const unmark = row.mark(knex);
    const { outcome, isLost } = await runGuarded(instance, work, lock, row.table);
    unmark();
    // Knex frees its row by itself, unless the connection that it would do so with broke. What stays is freed by the next run.
    if (!isLost) await row.freeMarked(connection).catch(() => {});
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  } finally {
    await connection.close();
  }
}

function check(where: string, work: unknown, given: unknown) {
  checkCallable(where, work, 'a function that runs the migrations');
  const options = checkOptions<MigrationLockOptions>(where, given, {
    waitMillis: millis,
    force: flag,
    tableName: text,
    schemaName: text,
  });
  return { waitMillis: DEFAULTS.waitMillis, force: false, ...options };
}

/** The block around it commits when the lock is free again: the next runner would not see what was migrated, and do it once more. */
function refuseInside({ ambient }: Instance): void {
  const enclosing = ambient.current();
  if (enclosing === undefined || enclosing.sandbox) return;
  throw new MigrationLockError(
    'withMigrationLock was called inside a transaction block of the same instance, which is ambient: the lock would be free before the ' +
      'block is committed. Call it outside of the block, or in db.outside()',
  );
}

function refuseDestroyed({ pool }: Instance): void {
  if (pool.queue.isClosed) throw new MigrationLockError('the instance was destroyed before the work began');
}

/** A server of another kind than `targetSessionAttrs` says may be followed by the right one. */
async function openRight(open: () => Promise<LockConnection>, wait: Wait): Promise<LockConnection> {
  const deadline = new Deadline(Math.min(RIGHT_SERVER_MILLIS, wait.waitMillis));
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!saysWrongServer(error) || deadline.leftMillis === 0) throw error;
    }
    await pause(wait);
  }
}
