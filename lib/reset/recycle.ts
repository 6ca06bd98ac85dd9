// A connection washed instead of closed: nothing of the old session is visible on it, or it is not kept.
import { promisify } from 'node:util';
import type { Instance } from '../pool/instance';
import type { Session } from '../pool/session';
import { Deadline, within } from '../waiting';

type AfterCreate = (connection: object, done: (error?: unknown) => void) => void;

/** Makes the connection as new and gives it back to the pool. False: it could not be proved clean, and has to be closed. */
export async function recycle(instance: Instance, session: Session, timeoutMillis: number): Promise<boolean> {
  if (!isWashable(session)) return false;
  const isClean = await within(
    timeoutMillis,
    wash(instance, session, new Deadline(timeoutMillis)).then(() => session.isClean),
  );
  if (!isClean || session.closing !== undefined) return false;
  instance.pool.restore(session);
  return true;
}

/** Who holds a connection without a transaction or query on it might use it later, and so might a stream's reader give it back late. */
function isWashable(session: Session): boolean {
  if (!session.driver.wash || session.death !== undefined || session.hadStream) return false;
  return !session.lent || session.tenant !== undefined || session.running > 0;
}

async function wash(instance: Instance, session: Session, deadline: Deadline): Promise<void> {
  const { driver, connection } = session;
  await session.stop(deadline);
  if (driver.status(connection) !== 'idle') await session.send('ROLLBACK');
  await session.runOwn(async () => driver.wash?.(connection));
  session.accept(instance.pool.generation);
  await setUp(instance, connection);
}

/** What knex does with a connection that it just opened. */
async function setUp({ client }: Instance, connection: object): Promise<void> {
  await client.setSchemaSearchPath?.(connection);
  const { afterCreate } = (client.config.pool ?? {}) as { afterCreate?: AfterCreate };
  if (afterCreate) await promisify(afterCreate)(connection);
}
