// A connection outside the pool that holds a session lock: no reset touches it, and its end is noticed.
import type { Knex } from 'knex';
import { Connection, type SessionEvents } from '../connection/connection';
import { closeConnection } from '../connection/close';
import type { Ending } from '../connection/state';
import { Terminator } from '../connection/terminator';
import { SESSION_ID } from '../drivers/session-id';
import { SESSION_LOCKS } from '../drivers/session-lock-sql';
import { isFatal } from '../drivers/fatal-errors';
import { MigrationLockError } from '../words/errors';
import type { PoolHost } from '../pool/pool-host';
import { canOpenBesidePool, openBesidePool } from '../knex/raw-connection';
import { DEFAULTS } from '../words/options';
import { SharedWork } from '../words/shared-work';
import { defer, within } from '../words/waiting';

export type Rows = Record<string, string | number | boolean | null>[];

/** The instance that it is opened for. */
type LockHost = Pick<PoolHost, 'driver' | 'recovery'>;
type Driver = LockHost['driver'];

interface Socket {
  setKeepAlive(enable: boolean, delayMillis: number): void;
}

interface RawConnection {
  query(
    config: object,
    bindings: readonly unknown[],
    callback: (error: Error | null, result: unknown) => void,
  ): unknown;
  connection?: { stream?: Socket };
  stream?: Socket;
}

type Kind = 'postgres' | 'mysql';

const KINDS: Record<string, Kind> = { pg: 'postgres', mysql: 'mysql', mysql2: 'mysql' };
const KEEP_ALIVE_MILLIS = 10_000;
/** How long the goodbye of one may take, and the end of its session from outside if need be. */
const CLOSE_MILLIS = 3000;
/** No reset or eviction counts for it. */
const STAMP = Object.freeze({ generation: 0, evictionCount: 0 });

/** Opens it the way the pool would. What fails meanwhile leaves nothing. */
export async function openLockConnection(host: LockHost, knex: Knex, waitMillis: number): Promise<LockConnection> {
  const { driver } = host;
  const kind = KINDS[driver.name];
  if (!kind) {
    throw new TypeError(
      `withMigrationLock needs a database with session locks: it works with pg, mysql and mysql2, not with ${driver.name}`,
    );
  }
  if (!canOpenBesidePool(knex)) {
    throw new Error('withMigrationLock opens a connection of its own: next to connectionPool, give connection as well');
  }
  // A server that is there answers in this time, however short the caller's patience with other runners.
  const answerMillis = Math.max(waitMillis, DEFAULTS.timeoutMillis);
  const made = new Made(driver);
  const opening = openBesidePool(knex, (module) => driver.observeOpening?.(module, made) ?? module);
  try {
    const raw = await bounded(opening, answerMillis, 'no connection could be opened for the migration lock');
    const lock = new LockConnection(kind, driver, raw as RawConnection, answerMillis);
    await lock.prepared(host);
    return lock;
  } catch (error) {
    await made.giveUp();
    throw error;
  }
}

/** What the driver has made for an opening. Where that is given up nothing of it stays, whenever it comes. */
class Made {
  readonly #driver: Driver;
  readonly #raws = new Set<object>();
  #isGivenUp = false;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  add(raw: object): void {
    if (this.#isGivenUp) this.#driver.destroySocket(raw);
    else this.#raws.add(raw);
  }

  delete(raw: object): void {
    this.#raws.delete(raw);
  }

  async giveUp(): Promise<void> {
    this.#isGivenUp = true;
    await Promise.all([...this.#raws].map((raw) => this.#close(raw)));
  }

  async #close(raw: object): Promise<void> {
    const driver = this.#driver;
    const isOpen = driver.backendId(raw) !== undefined && !driver.isGone(raw);
    if (isOpen) await within(CLOSE_MILLIS, Promise.resolve(driver.closeGracefully(raw)));
    driver.destroySocket(raw);
  }
}

export class LockConnection implements SessionEvents {
  readonly kind: Kind;
  /** Resolves with the reason when the connection ends before `close()`. */
  readonly whenLost: Promise<Error>;
  readonly #lost = defer<Error>();
  readonly #connection: Connection;
  readonly #raw: RawConnection;
  readonly #answerMillis: number;

  constructor(kind: Kind, driver: Driver, raw: RawConnection, answerMillis: number) {
    this.kind = kind;
    this.#raw = raw;
    this.#answerMillis = answerMillis;
    this.whenLost = this.#lost.promise;
    this.#connection = new Connection(raw, driver, STAMP, this);
    // Idle for as long as the work runs: keep-alive keeps middleboxes from forgetting it, and shows when it has ended.
    (raw.connection?.stream ?? raw.stream)?.setKeepAlive(true, KEEP_ALIVE_MILLIS);
  }

  /** Rejects where the instance would not lend it, and closes it then. */
  async prepared({ recovery }: LockHost): Promise<void> {
    try {
      await recovery.opened(this.#connection);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  onDeath(_connection: Connection, error: Error): void {
    this.#lost.resolve(error);
  }

  onError(): void {}

  /** Resolves with true when it has ended, by `close()` or before. */
  async whenOver(): Promise<true> {
    await this.#connection.whenEnded();
    return true;
  }

  /** The server's id of the session, as the driver was told at login. */
  get backendId(): number | undefined {
    return this.#connection.backendId;
  }

  /** The server's id of the session that answers. Behind a pooler it is another one. */
  async session(limitMillis = this.#answerMillis): Promise<number> {
    const [row] = await this.ask(SESSION_ID[this.kind], [], limitMillis);
    return Number(row?.id);
  }

  /** Runs one statement. Rejects with what the driver says, or when the server takes too long. */
  async ask(sql: string, bindings: readonly unknown[] = [], limitMillis = this.#answerMillis): Promise<Rows> {
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#raw.query(SESSION_LOCKS[this.kind].config(sql), bindings, (error, result) =>
        error ? reject(error) : resolve(result),
      );
    });
    const result = await bounded(answer, limitMillis, 'the server did not answer the migration lock');
    return (Array.isArray(result) ? result : ((result as { rows?: Rows }).rows ?? [])) as Rows;
  }

  /** Resolves when the server has ended the session, what runs on it included, or does not answer. */
  async close(): Promise<void> {
    const connection = this.#connection;
    const end = () => new SharedWork<Ending>((time) => closeConnection(connection, time, new Terminator()));
    await connection.close(end).join(CLOSE_MILLIS);
  }
}

/** A fatal error means that the lock, or the place in the queue for it, is lost with the connection. */
export async function beforeWork<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!isFatal(error)) throw error;
    const message = 'the connection for the migration lock was lost before the work began';
    throw new MigrationLockError(message, { cause: error });
  }
}

async function bounded<T>(promise: Promise<T>, millis: number, what: string): Promise<T> {
  const settled = promise.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error;
    },
  );
  const answer = await within(millis, settled);
  if (!answer) throw new MigrationLockError(`${what} within ${millis} ms`);
  return answer();
}
