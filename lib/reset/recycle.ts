// Keeps a connection through a reset: it is cleaned instead of closed, or only rolled back where it holds the data (SQLite in memory). If any
// state of the old session could remain, a connection is not recycled.
import type { Lendable } from '../connection/lendable';
import { bringToRest } from '../connection/quiesce';
import { runAfterCreate, setSearchPath } from '../knex/opener';
import { type Deadline, nextTurn, within } from '../words/waiting';

/** The books that a connection is in, and the client that has opened it. */
interface Origin {
  readonly pool: { readonly register: Books };
  readonly client: object;
}

/** How a reset cleans its connections. */
export interface Cleaning {
  readonly deadline: Deadline;
  /** `'close'`: a call has joined the reset that closes them. */
  readonly request: { readonly connections: 'close' | 'recycle' };
}

/** Cleans the connection and gives it back to the pool. Returns false if it is not proved clean, and must be closed. */
export async function recycle(origin: Origin, connection: Lendable, cleaning: Cleaning): Promise<boolean> {
  const { deadline, request } = cleaning;
  if (request.connections === 'close' || !isWashable(connection)) return false;
  if (origin.pool.register.isEvicted(connection)) return false;
  const washing = new Washing(origin, connection, deadline);
  const isClean = await within(
    deadline,
    washing.wash().then(() => connection.isClean),
  );
  washing.isOver = true;
  if (!isClean || cleaning.request.connections === 'close' || connection.closing !== undefined) return false;
  origin.pool.register.restore(connection);
  return true;
}

/** Code that holds a connection by hand can use it later, and a stream's reader can give it back late. */
function isWashable(connection: Lendable): boolean {
  if (!connection.driver.resetSession || connection.death !== undefined || connection.lease.hadStream) return false;
  if (connection.fatal !== undefined) return false;
  return !connection.lent || connection.isGivenBack || connection.user !== undefined || connection.running > 0;
}

/** Nobody uses it, and nothing runs or is open on it. */
function isAtRest({ lent, lease, isQuiet, status }: Lendable): boolean {
  return !lent && !lease.isHeldInside && isQuiet && status === 'idle';
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
    if (!isAtRest(connection)) await this.#free();
    await connection.runOwn(() => driver.resetSession?.(raw) ?? Promise.resolve());
    this.#check();
    this.#origin.pool.register.renew(connection);
    // What knex does with a connection that it just opened.
    await setSearchPath(this.#origin.client, raw);
    this.#check();
    await runAfterCreate(this.#origin.client, raw);
  }

  async #free(): Promise<void> {
    const connection = this.#connection;
    const isFree = await isLetGo(connection, this.#deadline);
    if (!isFree || connection.lease.isHeldInside) throw new Error('the connection is held by hand');
    this.#check();
    await bringToRest(connection, this.#deadline);
    this.#check();
  }

  #check(): void {
    if (this.isOver || this.#connection.closing !== undefined) throw new Error('the connection is being closed');
  }
}

/** The books that the connection is in. */
export interface Books {
  /** An eviction came since it was opened: it is not lent again, whatever it answers. */
  isEvicted(connection: Lendable): boolean;
  /** It is of the present generation. */
  renew(connection: Lendable): void;
  /** It is clean, and is given back to the pool. */
  restore(connection: Lendable): void;
}

/** Resolves when the connection is free for the next borrower, or waits for nothing but to be given back. */
export async function rollBackInPlace(register: Books, connection: Lendable, deadline: Deadline): Promise<void> {
  await within(deadline, bringToRest(connection, deadline));
  const isFree = await isLetGo(connection, deadline);
  if (connection.closing !== undefined) return;
  if (!isFree) {
    // Nothing more is sent for its holder, and the pool has it when he gives it back.
    connection.leaveToBorrower();
    connection.doubt();
    return;
  }
  register.renew(connection);
  register.restore(connection);
}

/** A query that was rejected gives its connection back in the same turn; code that took one by hand knows nothing of the reset. */
const LET_GO_MILLIS = 20;

/** Whether a borrower lets go of a connection that is to be lent again: a late release would take it from the next one. False: it is held by hand. A transaction's own late release is fenced off by its use. */
async function isLetGo(connection: Lendable, deadline: Deadline): Promise<boolean> {
  const { lease, lent, user } = connection;
  if (lease.isHeldInside) await nextTurn();
  if (!lent || !(user === undefined || user.usesCallersConnection || lease.isHeldInside)) return true;
  await within(Math.min(LET_GO_MILLIS, deadline.leftMillis), lease.whenOver());
  return lease.isOver;
}
