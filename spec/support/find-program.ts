// Finds the servers that a distribution installs, also where they are not on a user's PATH.
import fs from 'node:fs';
import path from 'node:path';

const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/libexec'];

export const programEnvironment = { PATH: folders.join(path.delimiter), LC_ALL: 'C' };

export function findProgram(name: string): string | undefined {
  return folders.map((folder) => path.join(folder, name)).find((candidate) => fs.existsSync(candidate));
}

/** Why specs cannot run that need these programs; undefined: they can. */
export function whyMissing(...names: string[]): string | undefined {
  const missing = names.filter((name) => findProgram(name) === undefined);
  return missing.length > 0 ? `${missing.join(' and ')} not found on PATH or in /usr/sbin` : undefined;
}
