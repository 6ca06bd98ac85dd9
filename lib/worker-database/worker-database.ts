// A database for each worker of a test run: cloned from a template that the first of them makes.
import knex, { type Knex } from 'knex';
import { driverNameOf } from '../knex/raw-connection';
import { describe, isPlainObject, shown } from '../words/describe';
import { read, textOf } from '../words/foreign';
import { callable, checkOptions, count, DEFAULTS, refuse, text } from '../words/options';
import { heard, within } from '../words/waiting';
import { Place } from './inheritance';
import { Keeper } from './keeper';
import { made, WHERE, type WorkerDatabase } from './made';
import { leadsToServer, redirect } from './redirect';
import { ensureTemplate, nameAll, sweep } from './template';
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

const KEEP_TEMPLATES = 2;

/**
 * Makes a database for this process alone, by cloning a template, in tens of milliseconds. The first process to come makes the template
 * with `prepare`, once per server and key, under a lock: it is complete, or not there at all. Clones of processes that are gone, killed
 * ones included, are dropped on the way, and old templates that no process uses. PostgreSQL only; the role needs CREATEDB.
 *
 * A process that loads the package anew, as jest does for each test file, goes on with the clone that it has, as it is. Several calls of one
 * load get a clone each.
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
  let place: Place | undefined;
  try {
    const [names, server] = await keeper.use(async ({ home, server }) => [nameAll(home, key), server] as const);
    place = new Place(`${server} ${names.template}`);
    const { earlier } = place;
    const clone = earlier?.clone ?? names.clone;
    // From here on no other process drops the template.
    await keeper.hold(names.template, 'shared');
    await keeper.use((databases) => sweep(databases, names, keepTemplates));
    await keeper.use((databases) => ensureTemplate(databases, names, (making) => runPrepare(config, making, prepare)));
    // Before the earlier load lets go of it: nobody else finds it unlocked.
    await keeper.hold(clone, 'shared');
    await earlier?.letGo();
    // The user may have dropped it.
    await keeper.use(async (databases) => {
      if (!(await databases.exists(clone))) await databases.create(clone, names.template);
    });
    return made({ config, template: names.template, clone }, keeper, place);
  } catch (error) {
    if (place?.earlier) place.put(place.earlier);
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

/** Not the server's own text, nor Knex's before it: they may have the bindings of the statement. */
function reasonOf(error: unknown): string {
  if (typeof read(error, 'severity') === 'string')
    return `a statement failed with ${textOf(read(error, 'code'))}, see cause`;
  return shown(textOf(read(error, 'message') ?? error));
}

async function runPrepare(
  config: Knex.Config,
  making: string,
  prepare: WorkerDatabaseOptions['prepare'],
): Promise<void> {
  const db = knex(redirect(config, making));
  let end: object | undefined;
  try {
    await prepare(db);
  } catch (error) {
    throw new Error(`${WHERE}: prepare failed, and nothing of its template is left: ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    // Knex waits for ever for a connection that is not given back.
    end = await within(DEFAULTS.timeoutMillis, heard(db.destroy()));
  }
  if (end && 'error' in end) throw end.error;
  if (end) return;
  throw new Error(
    `${WHERE}: the instance of prepare was not closed within ${DEFAULTS.timeoutMillis} ms, and nothing of its template is left: prepare has left ` +
      'a transaction or a connection open, or the server does not answer',
  );
}
