// A database for each worker of a test run: cloned from a template that the first of them makes.
import knex, { type Knex } from 'knex';
import { driverNameOf } from '../knex/raw-connection';
import { describe, isPlainObject } from '../words/describe';
import { read } from '../words/foreign';
import { callable, checkOptions, count, refuse, text } from '../words/options';
import type { Resettable } from '../words/types';
import { Keeper } from './keeper';
import { leadsToServer, redirect } from './redirect';
import { ensureTemplate, nameAll, type Names, sweep } from './template';
import { defaultKey } from './template-key';

/**
 * Options of `workerDatabase()`.
 * @see docs/tests.md#parallel-workers
 */
export interface WorkerDatabaseOptions {
  /** Makes the template: migrations, seeds. Called once for each server and key, with an instance that leads to an empty database. */
  prepare: (db: Knex) => unknown;
  /**
   * Another key makes another template. Change it whenever `prepare` changes.
   * @default what is in the migration and seed folders of the config, and the text of `prepare`
   */
  key?: string | undefined;
  /**
   * How many templates of other keys are kept, the newest.
   * @default 2
   */
  keepTemplates?: number | undefined;
}

/**
 * A database of its own for this process: a clone of the template.
 * @see docs/tests.md#parallel-workers
 */
export interface WorkerDatabase {
  /** The config that was given, with a connection that leads to the clone. */
  readonly config: Knex.Config;
  /** The name of the clone. */
  readonly name: string;
  /**
   * Resets `db`, and makes the clone anew from the template.
   * @example
   * await worker.restore(db);
   * @throws Error when the clone was dropped, also while this waits
   */
  restore(db: Knex & Resettable): Promise<void>;
  /**
   * Drops the clone, after a restore that is under way. Without this call, a later run drops it when this process is gone.
   * @example
   * await db.destroy();
   * await worker.drop();
   */
  drop(): Promise<void>;
}

const WHERE = 'workerDatabase';
const KEEP_TEMPLATES = 2;
/**
 * Makes a database for this process alone, by cloning a template, in tens of milliseconds. The first process to come makes the template
 * with `prepare`, once per server and key, under a lock: it is complete, or not there at all. Clones of processes that are gone, killed
 * ones included, are dropped on the way, and old templates that no process uses. PostgreSQL only; the role needs CREATEDB.
 *
 * @example
 * const { config } = await workerDatabase(knexfile, { prepare: (db) => db.migrate.latest() });
 * export const db = resettable(knex(config));
 *
 * @throws Error when the role may not create databases, and when `prepare` fails: nothing half-made stays, the next process tries again
 * @throws TypeError for bad options, another database than PostgreSQL, and a config that leads to no server
 * @see docs/tests.md#parallel-workers
 */
export async function workerDatabase(config: Knex.Config, options: WorkerDatabaseOptions): Promise<WorkerDatabase> {
  const { prepare, key: givenKey, keepTemplates = KEEP_TEMPLATES } = check(config, options);
  const key = givenKey ?? (await defaultKey(config, prepare));
  if (key === undefined) {
    throw new TypeError(
      `${WHERE}: there is nothing in the migration and seed folders of the config to tell templates apart by: give key`,
    );
  }
  const keeper = new Keeper(config);
  try {
    const names = await keeper.use(async ({ home }) => nameAll(home, key));
    // From here on no other process drops the template.
    await keeper.hold(names.template, 'shared');
    await keeper.use((databases) => sweep(databases, names, keepTemplates));
    await keeper.use((databases) => ensureTemplate(databases, names, (making) => runPrepare(config, making, prepare)));
    await keeper.hold(names.clone, 'exclusive');
    await keeper.use((databases) => databases.create(names.clone, names.template));
    return made(config, names, keeper);
  } catch (error) {
    await keeper.close().catch(() => {});
    throw error;
  }
}

function check(config: unknown, options: unknown): WorkerDatabaseOptions {
  if (!isPlainObject(config)) refuse(`${WHERE}: config`, config, 'a Knex config');
  if (options === undefined) refuse(WHERE, options, 'an options object with prepare');
  const checked = checkOptions<WorkerDatabaseOptions>(WHERE, options, {
    prepare: callable,
    key: text,
    keepTemplates: count,
  });
  if (!checked.prepare) refuse(`${WHERE}: prepare`, undefined, 'a function that makes the template');
  const driver = driverNameOf(config as Knex.Config);
  if (driver !== 'pg') {
    const given = driver ?? describe(read(config, 'client'));
    throw new TypeError(
      `${WHERE}: it works with PostgreSQL only (pg), not with ${given}; the config says which in client`,
    );
  }
  leadsToServer(read(config, 'connection'), 'connection');
  return checked;
}

async function runPrepare(
  config: Knex.Config,
  making: string,
  prepare: WorkerDatabaseOptions['prepare'],
): Promise<void> {
  const db = knex(redirect(config, making));
  try {
    await prepare(db);
  } catch (error) {
    const { message } = (error ?? {}) as { message?: unknown };
    throw new Error(`${WHERE}: prepare failed, and nothing of its template is left: ${String(message ?? error)}`, {
      cause: error,
    });
  } finally {
    await db.destroy();
  }
}

function made(config: Knex.Config, { template, clone }: Names, keeper: Keeper): WorkerDatabase {
  let dropped: Promise<void> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const checkThere = () => {
    if (dropped) throw new Error(`${WHERE}: ${clone} is dropped`);
  };
  /** The operations on the clone, one after the other. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };
  const makeAnew = () => {
    checkThere();
    return keeper.use(async (databases) => {
      await databases.drop(clone);
      await databases.create(clone, template);
    });
  };
  const dropForGood = () => keeper.use((databases) => databases.drop(clone)).finally(() => keeper.close());
  return {
    config: redirect(config, clone),
    name: clone,

    async restore(db) {
      if (typeof (db as Partial<Resettable> | undefined)?.resetConnection !== 'function') {
        refuse(`${WHERE}: restore`, db, 'a resettable Knex instance, made by resettable()');
      }
      checkThere();
      const reason = `${clone} is made anew`;
      await db.resetConnection({ reason });
      await inTurn(makeAnew);
      // Queries that were asked meanwhile have connections to the dropped database.
      await db.resetConnection({ reason });
    },

    async drop() {
      dropped ??= inTurn(dropForGood);
      await dropped;
    },
  };
}
