// The templates of worker databases and their clones: their names, how one is made, and which are dropped.
import { createHash, randomBytes } from 'node:crypto';
import { isForbidden, type PgDatabases } from '../drivers/pg/databases';

/** The suffix of a template that is not complete. */
const MAKING = '_making';

export interface Names {
  /** The prefix of all databases whose locks are in the same database. */
  prefix: string;
  template: string;
  clone: string;
}

export function nameAll(home: string, key: string): Names {
  const digest = (value: string, length: number) => createHash('sha256').update(value).digest('hex').slice(0, length);
  const prefix = `knex_reset_${digest(home, 8)}_`;
  const ofKey = `${prefix}${digest(key, 12)}`;
  return { prefix, template: ofKey, clone: `${ofKey}_${process.pid}_${randomBytes(4).toString('hex')}` };
}

/** Drops the databases that no process uses. A drop that fails is left to the next process. */
export async function sweep(databases: PgDatabases, { prefix, template }: Names, keepTemplates: number): Promise<void> {
  const all = await databases.list(prefix);
  const isTemplate = (name: string) => /^[0-9a-f]{12}$/.test(name.slice(prefix.length));
  const kept = new Set(all.filter((name) => isTemplate(name) && name !== template).slice(0, keepTemplates));
  for (const name of all) {
    if (name === template || kept.has(name)) continue;
    if (!(await databases.tryLock(name))) continue;
    await databases.drop(name).catch(() => {});
    await databases.unlock(name, 'exclusive');
  }
}

/** Makes the template under another name, and renames it when it is complete. The process that makes it has the lock of that name. */
export async function ensureTemplate(
  databases: PgDatabases,
  { template }: Names,
  prepare: (making: string) => Promise<void>,
): Promise<void> {
  if (await databases.exists(template)) return;
  const making = `${template}${MAKING}`;
  await databases.lock(making, 'exclusive');
  try {
    if (await databases.exists(template)) return;
    await databases.drop(making); // of a process that was killed meanwhile
    await create(databases, making);
    try {
      await prepare(making);
      await databases.seal(making, template);
    } catch (error) {
      await databases.drop(making).catch(() => {});
      throw error;
    }
  } finally {
    await databases.unlock(making, 'exclusive');
  }
}

async function create(databases: PgDatabases, name: string): Promise<void> {
  try {
    await databases.create(name);
  } catch (error) {
    if (!isForbidden(error)) throw error;
    throw new Error(
      `workerDatabase: the role "${databases.role}" may not create databases: as a superuser, ALTER ROLE "${databases.role}" CREATEDB`,
      { cause: error },
    );
  }
}
