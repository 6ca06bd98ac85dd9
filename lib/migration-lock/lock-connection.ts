// A connection outside the pool that holds a session lock: no reset touches it, and its end is noticed.
import type { Knex } from 'knex';
import { Connection, type SessionEvents } from '../connection/connection';
import { closeConnection } from '../connection/close';
import type { Lendable } from '../connection/lendable';
import type { Ending } from '../connection/state';
import { Terminator } from '../connection/terminator';
import { SESSION_ID } from '../drivers/session-id';
import { PLAIN_ROWS as MYSQL_ROWS } from '../drivers/mysql/plain-rows';
import { PLAIN_ROWS as PG_ROWS } from '../drivers/pg/plain-rows';
import { isFatal } from '../drivers/fatal-errors';
import { MigrationLockError } from '../words/errors';
import type { PoolHost } from '../pool/pool-host';
import { canOpenBesidePool, openBesidePool } from '../knex/raw-connection';
import { DEFAULTS } from '../words/options';
import { SharedWork } from '../words/shared-work';
import { defer, within } from '../words/waiting';

export type Rows = Record<string, string | number | boolean | null>[];

type Driver = PoolHost['driver'];

/** The instance that it is opened for. */
export interface LockHost {
  readonly driver: Driver;
  readonly recovery: {
    /** Rejects where it must not be used, as with the wrong kind of server. */
    opened(connection: Lendable): Promise<unknown> | undefined;
  };
}

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
    throw new Error(
      `withMigrationLock needs a database with session locks: it works with pg, mysql and mysql2, not with ${driver.name}`,
    );
  }
  if (!canOpenBesidePool(knex)) {
    throw new Error('withMigrationLock opens a connection of its own: next to connectionPool, give connection as well');
  }
  // A server that is there answers in this time, however short the caller's patience with other runners.
  const answerMillis = Math.max(waitMillis, DEFAULTS.timeoutMillis);
  const made = new Set<object>();
  const opening = openBesidePool(knex, (module) => driver.observeOpening?.(module, made) ?? module);
  try {
    const raw = await bounded(opening, answerMillis, 'no connection could be opened for the migration lock');
    made.add(raw);
    const lock = new LockConnection(kind, driver, raw as RawConnection, answerMillis);
    made.delete(raw);
    await lock.prepared(host);
    return lock;
  } catch (error) {
    await Promise.all([...made].map((raw) => discard(driver, raw)));
    // A driver that does not tell what it opens.
    opening.then((late) => driver.destroySocket(late)).catch(() => {});
    throw error;
  }
}

/** Of no use, or not open yet. */
async function discard(driver: Driver, raw: object): Promise<void> {
  const isOpen = driver.backendId(raw) !== undefined && !driver.isGone(raw);
  if (isOpen) await within(CLOSE_MILLIS, Promise.resolve(driver.closeGracefully(raw)));
  driver.destroySocket(raw);
}

export class LockConnection implements SessionEvents {
  readonly kind: Kind;
  /** Resolves with the reason when the connection ends before `close()`. */
  readonly whenLost: Promise<Error>;
  /** Resolves with true when it ends, by `close()` or before. */
  readonly whenOver: Promise<true>;
  readonly #over = defer<true>();
  readonly #lost = defer<Error>();
  readonly #connection: Connection;
  readonly #raw: RawConnection;
  readonly #answerMillis: number;

  constructor(kind: Kind, driver: Driver, raw: RawConnection, answerMillis: number) {
    this.kind = kind;
    this.#raw = raw;
    this.#answerMillis = answerMillis;
    this.whenLost = this.#lost.promise;
    this.whenOver = this.#over.promise;
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
    this.#over.resolve(true);
  }

  onError(): void {}

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
      this.#raw.query(configOf(this.kind, sql), bindings, (error, result) =>
        error ? reject(lossOr(error)) : resolve(result),
      );
    });
    const result = await bounded(answer, limitMillis, 'the server did not answer the migration lock');
    return (Array.isArray(result) ? result : ((result as { rows?: Rows }).rows ?? [])) as Rows;
  }

  /** Resolves when the server has ended the session, what runs on it included, or does not answer. */
  async close(): Promise<void> {
    this.#over.resolve(true);
    const connection = this.#connection;
    const end = () => new SharedWork<Ending>((time) => closeConnection(connection, time, new Terminator()));
    await connection.close(end).join(CLOSE_MILLIS);
  }
}

/** Made anew for each statement: the driver writes into it. Its rows are plain, whatever the user has set. */
function configOf(kind: Kind, sql: string): object {
  return kind === 'postgres' ? { text: sql, ...PG_ROWS } : { sql, ...MYSQL_ROWS };
}

/** A fatal error means that the lock, or the place in the queue for it, is lost with the connection. */
function lossOr(error: Error): Error {
  if (!isFatal(error)) return error;
  return new MigrationLockError('the connection for the migration lock was lost before the work began', {
    cause: error,
  });
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
