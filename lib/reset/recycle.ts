// Cleans a connection instead of closing it. If any state of the old session could remain, the connection is not kept.
import type { Lendable } from '../connection/lendable';
import { bringToRest } from '../connection/quiesce';
import { runAfterCreate, setSearchPath } from '../knex/opener';
import { type Deadline, within } from '../words/waiting';
import { isLetGo } from './let-go';
import type { Books } from './roll-back-in-place';

/** The books that a connection is in, and the client that has opened it. */
interface Origin {
  readonly pool: { readonly register: Books };
  readonly client: object;
}

/** Makes the connection as new and gives it back to the pool. False: it could not be proved clean, and has to be closed. */
export async function recycle(origin: Origin, connection: Lendable, deadline: Deadline): Promise<boolean> {
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
function isWashable(connection: Lendable): boolean {
  if (!connection.driver.resetSession || connection.death !== undefined || connection.lease.hadStream) return false;
  if (connection.fatal !== undefined) return false;
  return !connection.lent || connection.isGivenBack || connection.user !== undefined || connection.running > 0;
}

/** The steps of one cleaning. Once it is given up, or the connection is being closed, no further step is taken. */
class Washing {
  isOver = false;
  readonly #origin: Origin;
  readonly #connection: Lendable;
  readonly #deadline: Deadline;

  constructor(origin: Origin, connection: Lendable, deadline: Deadline) {
    this.#origin = origin;
    this.#connection = connection;
    this.#deadline = deadline;
  }

  async wash(): Promise<void> {
    const connection = this.#connection;
    const { driver, raw } = connection;
    const isFree = await isLetGo(connection, this.#deadline);
    if (!isFree || connection.lease.isHeldInside) throw new Error('the connection is held by hand');
    this.#check();
    await bringToRest(connection, this.#deadline);
    this.#check();
    await connection.runOwn(async () => driver.resetSession?.(raw));
    this.#check();
    this.#origin.pool.register.renew(connection);
    await this.#setUp();
  }

  /** What knex does with a connection that it just opened. */
  async #setUp(): Promise<void> {
    const { client } = this.#origin;
    const { raw } = this.#connection;
    await setSearchPath(client, raw);
    this.#check();
    await runAfterCreate(client, raw);
  }

  #check(): void {
    if (this.isOver || this.#connection.closing !== undefined) throw new Error('the connection is being closed');
  }
}
