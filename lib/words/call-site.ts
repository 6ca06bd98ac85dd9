// Where something was asked or opened: captured cheaply, formatted only when read.

import { dirname, join, sep } from 'node:path';

const FRAMES = 12;
const PACKAGE = dirname(dirname(__dirname));
/** The build, and what it is built from, which is what stacks show with source maps. */
const OWN_FOLDERS = [join(PACKAGE, 'dist') + sep, join(PACKAGE, 'lib') + sep];
const NOT_THE_USERS =
  /[\\/]node_modules[\\/]knex[^\\/]*[\\/]lib[\\/]|\(?node:internal|^\s+at new Promise \(<anonymous>\)/;

/** A stack that is formatted when it is read. */
export interface CallSite {
  stack?: string;
}

/** Captures the frames above `entry` without formatting them: that is done by whoever reads `stack`. */
export function captureCallSite(entry: unknown): CallSite {
  const holder: CallSite = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  Error.captureStackTrace(holder, entry as () => void);
  Error.stackTraceLimit = limit;
  return holder;
}

/** The user's lines of a stack: neither this package's nor knex's, where there are others. */
export function userFrames(stack: string | undefined): string {
  const lines = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const own = lines.filter((line) => !NOT_THE_USERS.test(line) && !OWN_FOLDERS.some((folder) => line.includes(folder)));
  return (own.length > 0 ? own : lines).map((line) => line.trim()).join('\n');
}

/** Where something was asked, and by which builder, while that is recorded. */
export interface QueryOrigin {
  stack?: string;
  builder?: object;
}
