// Cleans a connection instead of closing it. If any state of the old session could remain, the connection is not kept.
import { stop } from '../connection/quiesce';
import { ROLLBACK } from '../drivers/sql';
import { promisify } from 'node:util';
import type { Connection } from '../connection/connection';
import type { ConnectionUser } from '../connection/connection-user';
import { type Deadline, nextTurn, within } from '../words/waiting';
import type { Books } from './roll-back-in-place';

type AfterCreate = (raw: object, done: (error?: unknown) => void) => void;

/** What knex does with a connection that it has opened. */
export interface ConnectionMaker {
  readonly config: { readonly pool?: unknown };
  setSchemaSearchPath?(raw: object): Promise<unknown>;
}

/** The books that a connection is in, and the client that has opened it. */
interface Origin {
  readonly pool: { readonly register: Books };
  readonly client: ConnectionMaker;
}

/** Makes the connection as new and gives it back to the pool. False: it could not be proved clean, and has to be closed. */
export async function recycle(origin: Origin, connection: Connection, deadline: Deadline): Promise<boolean> {
  if (!isWashable(connection) || origin.pool.register.isEvicted(connection)) return false;
  const washing = new Washing(origin, connection, deadline);
  const isClean = await within(
    deadline,
    washing.wash().then(() => connection.isClean),
  );
  washing.isOver = true;
  if (!isClean || connection.closing !== undefined) return false;
  origin.pool.register.restore(connection);
  return true;
}

/** Code that holds a connection by hand can use it later, and a stream's reader can give it back late. */
function isWashable(connection: Connection): boolean {
  if (!connection.driver.resetSession || connection.death !== undefined || connection.lease.hadStream) return false;
  if (connection.fatal !== undefined) return false;
  return !connection.lent || connection.isGivenBack || connection.user !== undefined || connection.running > 0;
}

/** A query that was rejected gives its connection back in the same turn; code that took one by hand knows nothing of the reset. */
const LET_GO_MILLIS = 20;

/** The steps of one cleaning. Once it is given up, or the connection is being closed, no further step is taken. */
class Washing {
  isOver = false;
  readonly #origin: Origin;
  readonly #connection: Connection;
  readonly #deadline: Deadline;

  constructor(origin: Origin, connection: Connection, deadline: Deadline) {
    this.#origin = origin;
    this.#connection = connection;
    this.#deadline = deadline;
  }

  async wash(): Promise<void> {
    const connection = this.#connection;
    const { driver, raw, user } = connection;
    await stop(connection, this.#deadline);
    await this.#waitUntilLetGo(user);
    this.#check();
    if (driver.status(raw) !== 'idle') await connection.send(ROLLBACK);
    this.#check();
    await connection.runOwn(async () => driver.resetSession?.(raw));
    this.#check();
    connection.accept(this.#origin.pool.register.generation);
    await this.#setUp();
  }

  /** A late release, or a query on it, would reach the next borrower. A transaction's own is fenced off by its use. */
  async #waitUntilLetGo(user: ConnectionUser | undefined): Promise<void> {
    const connection = this.#connection;
    if (connection.lent && (user === undefined || user.usesCallersConnection)) {
      await within(Math.min(LET_GO_MILLIS, this.#deadline.leftMillis), connection.whenReturned());
      if (!connection.isGivenBack) throw new Error('the connection is held by hand');
    }
    if (connection.lease.isHeldInside) await nextTurn();
    if (connection.lease.isHeldInside) throw new Error('the connection is held by hand inside a transaction');
  }

  /** What knex does with a connection that it just opened. */
  async #setUp(): Promise<void> {
    const { client } = this.#origin;
    const { raw } = this.#connection;
    await client.setSchemaSearchPath?.(raw);
    this.#check();
    const { afterCreate } = (client.config.pool ?? {}) as { afterCreate?: AfterCreate };
    if (afterCreate) await promisify(afterCreate)(raw);
  }

  #check(): void {
    if (this.isOver || this.#connection.closing !== undefined) throw new Error('the connection is being closed');
  }
}
