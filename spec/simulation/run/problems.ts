// What goes wrong beside the promises: unhandled rejections, and statements that overlap on one connection of pg.
import pg from 'pg';
import type { Ledger } from './ledger';

function textOf(value: unknown): string {
  return value instanceof Error ? (value.stack ?? value.message) : String(value);
}

export function watchProblems(ledger: Ledger): () => void {
  const rejected = (reason: unknown) => void ledger.problems.push(`unhandled rejection: ${textOf(reason)}`);
  const thrown = (error: unknown) => void ledger.problems.push(`uncaught exception: ${textOf(error)}`);
  process.on('unhandledRejection', rejected).on('uncaughtException', thrown);
  return () => void process.off('unhandledRejection', rejected).off('uncaughtException', thrown);
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
