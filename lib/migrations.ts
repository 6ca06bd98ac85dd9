// The entry point `knex-reset/migrations`: one migration runner at a time.
import type { Knex } from 'knex';
import { MigrationLockError, suppress } from './words/errors';
import { type LockConnection, openLockConnection } from './migration-lock/lock-connection';
import { LockRow } from './migration-lock/lock-row';
import { refusePooler } from './migration-lock/refuse-pooler';
import { takeLock } from './migration-lock/session-lock';
import { checkCallable, checkOptions, DEFAULTS, flag, millis, text } from './words/options';
import { read } from './words/foreign';
import type { Awaitable } from './words/block-types';
import type { Resettable } from './words/types';
import { Deadline, nextTurn, within } from './words/waiting';
import { lookAt } from './knex/given';
import { instanceOf, refuseOtherCopy, refuseUnregistered } from './registry';

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

/** How long a work that has lost its lock may take to notice, once its connections are reset. */
const AFTER_LOSS_MILLIS = 1000;

type Outcome<T> = { value: T } | { error: unknown };
/** Not told apart by `instanceof`: in jest and vm an error of a socket is of another realm. */
type Loss = { lost: Error };

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
 * message, and when it was lost while the work ran: the work's connections are reset then, `cause` is what ended the lock's connection.
 * @throws TypeError for anything but a resettable instance, and for bad options
 * @see docs/migrations.md
 */
export async function withMigrationLock<T, K extends Knex = Knex>(
  db: K & Resettable,
  work: () => Awaitable<T>,
  options?: MigrationLockOptions,
): Promise<T> {
  const { waitMillis, force, ...table } = check(db, work, options);
  const instance = db as unknown as Knex & Resettable;
  const row = new LockRow(instance, table);
  const deadline = new Deadline(waitMillis);
  const open = () => openLockConnection(instance, waitMillis);
  const lock = await open();
  try {
    await refusePooler(lock, open);
    await takeLock(lock, row.table, deadline, waitMillis);
    await row.wait(lock, deadline, { waitMillis, force });
    return await run(instance, work, lock, row);
  } finally {
    await lock.close();
  }
}

function check(db: unknown, work: unknown, given: unknown) {
  const where = 'withMigrationLock';
  const { client, isTransaction } = lookAt(db);
  refuseOtherCopy(where, client);
  if (!client || isTransaction || typeof read(db, 'resetConnection') !== 'function') {
    refuseUnregistered(where, db, 'a resettable Knex instance, made by resettable()');
  }
  checkCallable(where, work, 'a function that runs the migrations');
  const options = checkOptions<MigrationLockOptions>(where, given, {
    waitMillis: millis,
    force: flag,
    tableName: text,
    schemaName: text,
  });
  return { waitMillis: DEFAULTS.waitMillis, force: false, ...options };
}

async function run<T>(db: Knex & Resettable, work: () => Awaitable<T>, lock: LockConnection, row: LockRow): Promise<T> {
  const unmark = row.mark(db);
  const running = outcomeOf(work);
  const whenLost = lock.whenLost.then((lost): Loss => ({ lost }));
  const first = await Promise.race([running, whenLost]);
  let outcome: Outcome<T>;
  if ('lost' in first) {
    const message = `the connection that held the migration lock of ${row.table.text} was lost while the work ran, and with it the lock: the work's connections were reset`;
    const error = new MigrationLockError(message, { cause: first.lost });
    outcome = { error };
    await reset(db, 'the migration lock was lost');
    const late = await within(AFTER_LOSS_MILLIS, running);
    if (late && 'error' in late) suppress(error, late.error);
  } else {
    outcome = first;
  }
  unmark();
  await evict(db);
  // Knex frees its row by itself, unless the connection that it would do so with broke. What stays is freed by the next run.
  if (!('lost' in first)) await row.freeMarked(lock).catch(() => {});
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

/** No connection from before is lent again. What runs goes on: it may be another tenant's migration, or the app. */
async function evict(db: Knex & Resettable): Promise<void> {
  // The last query of the work gives its connection back in the next turn.
  await nextTurn();
  const pool = instanceOf(db)?.pool;
  if (pool && !pool.queue.isClosed) await pool.evict();
}

async function outcomeOf<T>(work: () => Awaitable<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

/** Not where the work has destroyed the instance, which a reset would open again. */
async function reset(db: Knex & Resettable, reason: string): Promise<void> {
  if ((db.client as Knex.Client).pool) await db.resetConnection({ reason });
}
