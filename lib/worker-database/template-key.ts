// What a template is made of, as a text that changes with it: the files of the migration and seed folders, and the code of `prepare`.
import { createHash, type Hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Knex } from 'knex';

/** As knex finds them: relative to the working directory, with its own defaults. */
function foldersOf({ migrations, seeds }: Knex.Config): string[] {
  const { directory: steps = './migrations' } = migrations ?? {};
  const { directory: rows = './seeds' } = seeds ?? {};
  return [steps, rows].flat().map((folder) => path.resolve(folder));
}

/** Undefined: there is no file in these folders, or the config has sources of its own. */
export async function defaultKey(config: Knex.Config, prepare: (db: Knex) => unknown): Promise<string | undefined> {
  const { migrationSource } = (config.migrations ?? {}) as { migrationSource?: unknown };
  const { seedSource } = (config.seeds ?? {}) as { seedSource?: unknown };
  if (migrationSource || seedSource) return undefined;
  const hash = createHash('sha256');
  let count = 0;
  for (const folder of foldersOf(config)) count += await addFolder(hash, folder, '');
  // Code that it calls does not count: without files, a key would look as if it told templates apart.
  return count > 0 ? hash.update(String(prepare)).digest('hex') : undefined;
}

async function addFolder(hash: Hash, root: string, below: string): Promise<number> {
  const entries = await readdir(path.join(root, below), { withFileTypes: true }).catch(() => []);
  let count = 0;
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = path.posix.join(below, entry.name);
    if (entry.isDirectory()) {
      count += await addFolder(hash, root, name);
    } else {
      const content = await readFile(path.join(root, name));
      hash.update(`${name}\0${content.length}\0`).update(content);
      count += 1;
    }
  }
  return count;
}
