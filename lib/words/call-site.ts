// Where a query was asked or a transaction opened. The stack is captured cheaply, and formatted only when it is read.

import { readFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { read, textOf, valueOr } from './foreign';

/** Enough to get through the frames of an ORM to the code that called it. */
const FRAMES = 20;
const NOT_THE_USERS =
  /[\\/]node_modules[\\/]knex[^\\/]*[\\/]lib[\\/]|\(?node:internal|^\s+at new Promise \(<anonymous>\)/;

/**
 * The file on disk that this copy of the package runs from: in lib/words/, in dist/, or the user's own, where a bundler has put the package
 * into it. An ES module has no `__filename`: there, the first frame of a stack is as good.
 */
export const OWN_FILE = typeof __filename === 'string' ? __filename : valueOr('', firstFrame);
const PACKAGES = /[\\/]node_modules[\\/]/;

/** A stack that is formatted when it is read. */
export interface CallSite {
  stack?: string;
}

/** Rides in the config of a transaction that begins later than it was asked for: where that was. */
export const ASKED_AT = Symbol('knex-reset.asked-at');

/** Captures the frames above `entry`. They are formatted when `stack` is read. */
export function captureCallSite(entry: unknown): CallSite {
  const holder: CallSite = {};
  const limit = Error.stackTraceLimit;
  try {
    Error.stackTraceLimit = FRAMES;
    Error.captureStackTrace(holder, entry as () => void);
  } catch {
    // A library's Error.prepareStackTrace throws: the place is not known.
  } finally {
    Error.stackTraceLimit = limit;
  }
  return holder;
}

/** The lines of a stack that are the user's, then those of other packages. Lines of this package and of knex are left out if there are others. */
export function userFrames(site: CallSite | undefined): string {
  const lines = linesOf(read(site, 'stack'));
  const own = ownFolders();
  const foreign = lines.filter((line) => !NOT_THE_USERS.test(line) && !own.some((folder) => line.includes(folder)));
  const [users, packages] = [false, true].map((isPackage) =>
    foreign.filter((line) => isPackage === PACKAGES.test(line)),
  );
  const found = [...(users ?? []), ...(packages ?? [])];
  return (found.length > 0 ? found : lines).map((line) => line.trim()).join('\n');
}

/** With a library's Error.prepareStackTrace, a stack may be an array of call sites, or anything else. */
function linesOf(stack: unknown): string[] {
  if (Array.isArray(stack)) return stack.map((callSite) => `    at ${textOf(callSite)}`);
  return typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : [];
}

/** Where a query was asked, and by which builder, while that is recorded. */
export interface QueryOrigin {
  stack?: string;
  builder?: object;
}

function firstFrame(): string {
  return String(new Error().stack).split('\n')[1] ?? '';
}

let found: string[] | undefined;

/** The folder of the build, and that of its sources, which stacks show with source maps. None where this package is in the user's own file. */
function ownFolders(): string[] {
  const dist = dirname(OWN_FILE);
  found ??= [dirname(dist), dirname(dirname(dist))]
    .filter((folder) => packageNameIn(folder) === 'knex-reset')
    .flatMap((folder) => [join(folder, 'dist') + sep, join(folder, 'lib') + sep]);
  return found;
}

function packageNameIn(folder: string): unknown {
  const readName = () => (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown }).name;
  return valueOr(undefined, readName);
}
