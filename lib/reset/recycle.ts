// A connection washed instead of closed: nothing of the old session is visible on it, or it is not kept.
import { promisify } from 'node:util';
import type { Instance } from '../pool/instance';
import type { Session } from '../pool/session';
import { Deadline, nextTurn, within } from '../waiting';

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

/** A query that was told of the reset gives its connection back in the same turn; who took one by hand does not know of it. */
const LET_GO_MILLIS = 20;

async function wash(instance: Instance, session: Session, deadline: Deadline): Promise<void> {
  const { driver, connection, tenant } = session;
  await session.stop(deadline);
  // A late release, or a query on it, would reach the next borrower. A transaction's own is fenced off by its tenancy.
  if (session.lent && (tenant === undefined || tenant.isGiven)) {
    await within(Math.min(LET_GO_MILLIS, deadline.leftMillis), session.whenReturned());
    if (!session.isGivenBack) throw new Error('somebody holds the connection by hand');
  }
  if (session.isHeldInside) await nextTurn();
  if (session.isHeldInside) throw new Error('somebody holds the connection by hand inside');
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
