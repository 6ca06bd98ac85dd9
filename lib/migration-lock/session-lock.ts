// The lock itself: a session lock of the server, named for one migrations table.
import { sleep } from '../words/waiting';
import { SESSION_LOCKS } from '../drivers/session-lock-sql';
import { MigrationLockError } from '../words/errors';
import type { Deadline } from '../words/waiting';
import type { LockConnection, Rows } from './lock-connection';
import type { TableName } from './table-name';

/** The pause between two tries. */
export const POLL_MILLIS = 50;

/**
 * Resolves when the connection has the lock of the table. It is tried again and again: a session that waits inside a statement would hold
 * a snapshot, and a CREATE INDEX CONCURRENTLY of the holder waits for the end of every older snapshot.
 */
export async function takeLock(
  connection: LockConnection,
  table: TableName,
  deadline: Deadline,
  waitMillis: number,
): Promise<void> {
  const lock = SESSION_LOCKS[connection.kind];
  const [prepared] = await connection.ask(lock.prepare);
  if (lock.stay !== undefined) await connection.ask(lock.stay);
  const key = lock.key(table.schema ?? String(prepared?.home), table.name);
  while (!isTaken(await connection.ask(lock.take, [key]))) {
    if (deadline.leftMillis === 0) {
      const [holder] = await connection.ask(lock.holder, [key]);
      throw new MigrationLockError(
        `the migration lock of ${table.text} was not free within ${waitMillis} ms: ${holder ? `${holder.who} holds it` : 'its holder has just released it'}`,
      );
    }
    await pause(deadline);
  }
}

export function pause(deadline: Deadline): Promise<void> {
  return sleep(Math.min(POLL_MILLIS, deadline.leftMillis));
}

function isTaken([row]: Rows): boolean {
  return row?.taken === true || Number(row?.taken) === 1;
}
