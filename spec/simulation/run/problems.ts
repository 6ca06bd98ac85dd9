// What goes wrong beside the promises: unhandled rejections, and statements that overlap on one connection of pg.
import pg from 'pg';
import type { Ledger } from './ledger';
import { OwnError } from './own-error';

function textOf(value: unknown): string {
  return value instanceof Error ? (value.stack ?? value.message) : String(value);
}

export function watchProblems(ledger: Ledger): () => void {
  const rejected = (reason: unknown) => void ledger.problems.push(`unhandled rejection: ${textOf(reason)}`);
  // What a callback of the workload throws is an uncaught exception, as it would be without this package.
  const thrown = (error: unknown) => {
    if (!(error instanceof OwnError)) ledger.problems.push(`uncaught exception: ${textOf(error)}`);
  };
  // The package warns of what foreign code throws.
  const warned = (warning: Error) => {
    if (!warning.message.includes('thrown in')) ledger.problems.push(`warning: ${textOf(warning)}`);
  };
  process.on('unhandledRejection', rejected).on('uncaughtException', thrown).on('warning', warned);
  return () => void process.off('unhandledRejection', rejected).off('uncaughtException', thrown).off('warning', warned);
}

interface Busy {
  readyForQuery?: boolean;
  _queryQueue: unknown[];
}

/** pg warns of it once in a process, by a deprecation: here each time counts. */
export function watchOverlaps(ledger: Ledger): () => void {
  const { prototype } = pg.Client;
  const query = Reflect.get(prototype, 'query') as (...args: unknown[]) => unknown;
  const watched = function (this: Busy, ...args: unknown[]) {
    const isWaiting = this._queryQueue.length > 0;
    const result = query.apply(this, args);
    if (isWaiting || this._queryQueue.length > 0) {
      const [asked] = args as [{ text?: string } | string];
      ledger.problems.push(`overlap: asked of a busy connection: ${typeof asked === 'string' ? asked : asked?.text}`);
    }
    return result;
  };
  Object.assign(prototype, { query: watched });
  return () => void Object.assign(prototype, { query });
}
