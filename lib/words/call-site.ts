// Where a query was asked or a transaction opened. The stack is captured cheaply, and formatted only when it is read.

import { join, sep } from 'node:path';
import { read, textOf } from './foreign';

/** Enough to get through the frames of an ORM to the code that called it. */
const FRAMES = 20;
/** The folder of the package: this file is in its lib/words/, or bundled in its dist/. */
const PACKAGE = __dirname.slice(
  0,
  Math.max(...['lib', 'dist'].map((name) => `${__dirname}${sep}`.lastIndexOf(`${sep}${name}${sep}`))),
);
/** The folder of the build, and that of its sources, which stacks show with source maps. */
const OWN_FOLDERS = [join(PACKAGE, 'dist') + sep, join(PACKAGE, 'lib') + sep];
const NOT_THE_USERS =
  /[\\/]node_modules[\\/]knex[^\\/]*[\\/]lib[\\/]|\(?node:internal|^\s+at new Promise \(<anonymous>\)/;

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
  const foreign = lines.filter(
    (line) => !NOT_THE_USERS.test(line) && !OWN_FOLDERS.some((folder) => line.includes(folder)),
  );
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
