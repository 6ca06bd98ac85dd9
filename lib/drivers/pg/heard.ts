// What a PostgreSQL server has said of the latest statement, message by message: pg tells of a script only when all of it is answered,
// and of nothing when the connection dies before that.
import { means } from '../error-codes';
import type { PgConnection } from './client';

/** On the connection itself: it is asked for with each statement. */
const HEARD = Symbol('knex-reset.heard');

interface Heard {
  [HEARD]?: string[];
}

/** Begins to listen. Returns the undo. */
export function listen(connection: PgConnection): () => void {
  const tags: string[] = [];
  const onComplete = ({ text }: { text?: string }) => void tags.push(text ?? '');
  (connection as Heard)[HEARD] = tags;
  connection.connection.on('commandComplete', onComplete);
  return () => {
    delete (connection as Heard)[HEARD];
    connection.connection.off('commandComplete', onComplete);
  };
}

/** A statement is sent: what was said before is about another. */
export function forget(connection: PgConnection): void {
  const tags = (connection as Heard)[HEARD];
  if (tags && tags.length > 0) tags.length = 0;
}

function tagsOf(connection: PgConnection): string[] {
  return (connection as Heard)[HEARD] ?? [];
}

/** Whether the script that has just failed had ended the transaction before, be it that another was begun since. */
export function endedBefore(connection: PgConnection, sql: string): boolean {
  const tags = tagsOf(connection);
  if (tags.includes('COMMIT')) return true;
  // ROLLBACK TO a savepoint is answered as ROLLBACK is.
  const rolledBackAt = tags.indexOf('ROLLBACK');
  if (rolledBackAt < 0) return false;
  return tags.slice(rolledBackAt).some((tag) => /^(BEGIN|START)/.test(tag)) || /\band\s+chain\b/i.test(sql);
}

/** The answer to COMMIT, as far as it was heard. */
export function endHeard(connection: PgConnection): 'committed' | 'rolledBack' | undefined {
  const tags = tagsOf(connection);
  if (tags.includes('COMMIT')) return 'committed';
  return tags.includes('ROLLBACK') ? 'rolledBack' : undefined;
}

/**
 * A COMMIT is about to be cancelled. Returns what says, once, whether that has cut short its wait for a standby: the server warns of
 * it, and answers as if nothing was.
 */
export function watchCut(connection: PgConnection): () => boolean {
  let isWarned = false;
  const onNotice = (notice: unknown) => {
    isWarned ||= means(notice, 'warning');
  };
  connection.on('notice', onNotice);
  return () => {
    connection.off('notice', onNotice);
    return isWarned;
  };
}
