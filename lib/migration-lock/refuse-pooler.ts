// Notices a pooler that lends its connections by the transaction: a session lock would stay on one of them, and protect nobody.
import { SESSION_ID } from '../drivers/session-id';
import { MigrationLockError } from '../words/errors';
import { within } from '../words/waiting';
import type { LockConnection } from './lock-connection';

/** A pooler that lends by the session has no second connection to give where its pool has but one. */
const SECOND_MILLIS = 2000;

/**
 * Asks for the session in turns with a second connection: by a pooler that lends by the transaction, both get the same, or one of them
 * another than before.
 * @throws MigrationLockError where it is so
 */
export async function refusePooler(lock: LockConnection, openSecond: () => Promise<LockConnection>): Promise<void> {
  const session = await sessionOf(lock);
  if (lock.backendId === undefined || session === lock.backendId) return;
  const opening = openSecond();
  const second = await within(SECOND_MILLIS, opening);
  if (!second) {
    opening.then((late) => late.close()).catch(() => {});
    return;
  }
  try {
    const isLent = (await sessionOf(second)) === session || (await sessionOf(lock)) !== session;
    if (!isLent) return;
  } finally {
    await second.close();
  }
  throw new MigrationLockError(
    'the migration lock needs a session of its own, but the connection leads through a pooler that lends connections by the transaction ' +
      '(PgBouncer with pool_mode = transaction): run migrations over a connection to the server itself',
  );
}

async function sessionOf(connection: LockConnection): Promise<number> {
  const [row] = await connection.ask(SESSION_ID[connection.kind]);
  return Number(row?.id);
}
