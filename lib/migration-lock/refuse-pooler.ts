// Detects a transaction-pooling pooler: a session lock would stay on one of its connections and protect nothing.
import { SESSION_ID } from '../drivers/session-id';
import { MigrationLockError } from '../words/errors';
import { within } from '../words/waiting';
import type { LockConnection } from './lock-connection';

/** A session-pooling pooler with one connection cannot give a second one. */
const SECOND_MILLIS = 2000;

/**
 * Asks for the session id in turns with a second connection: behind a transaction-pooling pooler both get the same one, or one of them
 * gets another one than before.
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
