// Detects a transaction-pooling pooler: a session lock would stay on one of its connections and protect nothing.
import { MigrationLockError } from '../words/errors';
import { heard, within } from '../words/waiting';
import type { LockConnection } from './lock-connection';

/** A session-pooling pooler with one connection cannot give a second one. */
const SECOND_MILLIS = 2000;
/** Behind a pooler: other clients of it may take a session in between, which hides what a single look would show. */
const LOOKS = 10;

export function poolerError(): MigrationLockError {
  return new MigrationLockError(
    'the migration lock needs a session of its own, but the connection leads through a pooler that lends connections by the transaction ' +
      '(PgBouncer with pool_mode = transaction): run migrations over a connection to the server itself',
  );
}

/**
 * Asks for the session id in turns with a second connection: behind a transaction-pooling pooler both get the same one, or one of them
 * gets another one than before.
 * @returns the server's id of the session
 * @throws MigrationLockError where it is so
 */
export async function refusePooler(lock: LockConnection, openSecond: () => Promise<LockConnection>): Promise<number> {
  const session = await lock.session();
  if (lock.backendId === undefined || session === lock.backendId) return session;
  const opening = openSecond();
  const opened = await within(SECOND_MILLIS, heard(opening));
  if (!opened) {
    opening.then((late) => late.close()).catch(() => {});
    return session;
  }
  if ('error' in opened) throw opened.error;
  const second = opened.value;
  try {
    for (let look = 0; look < LOOKS; look++) {
      if ((await second.session()) === session || (await lock.session()) !== session) throw poolerError();
    }
  } finally {
    await second.close();
  }
  return session;
}
