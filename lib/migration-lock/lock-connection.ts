// A connection outside the pool that holds a session lock: no reset touches it, and its end is noticed at once.
import type { Knex } from 'knex';
import { driverOf } from '../drivers/index';
import type { SessionEnd } from '../drivers/session-end';
import type { StatementTap } from '../drivers/statement-sink';
import { isFatal } from '../drivers/fatal-errors';
import { MigrationLockError } from '../words/errors';
import { factsOf } from '../knex/client-facts';
import { canOpenBesidePool, openBesidePool } from '../knex/raw-connection';
import { DEFAULTS } from '../words/options';
import { defer, within } from '../words/waiting';

export type Rows = Record<string, string | number | boolean | null>[];

export interface LockConnection {
  readonly kind: 'postgres' | 'mysql';
  /** The server's id of the session, as the driver was told at login. */
  readonly backendId: number | undefined;
  /** Runs one statement. Rejects with what the driver says, or when the server takes too long. */
  ask(sql: string, bindings?: readonly unknown[]): Promise<Rows>;
  /** Resolves with the reason when the connection ends before `close()`. */
  readonly whenLost: Promise<Error>;
  /** Resolves when the server has ended the session, or does not answer. */
  close(): Promise<void>;
}

interface Socket {
  setKeepAlive(enable: boolean, delayMillis: number): void;
}

interface RawConnection {
  query(sql: string, bindings: readonly unknown[], callback: (error: Error | null, result: unknown) => void): unknown;
  connection?: { stream?: Socket };
  stream?: Socket;
}

const KINDS: Record<string, LockConnection['kind']> = { pg: 'postgres', mysql: 'mysql', mysql2: 'mysql' };
const KEEP_ALIVE_MILLIS = 10_000;
const CLOSE_MILLIS = 1000;

/** Opens it the way the pool would. */
export async function openLockConnection(knex: Knex, waitMillis: number): Promise<LockConnection> {
  const facts = factsOf(knex.client as Knex.Client);
  const kind = KINDS[facts.driverName];
  if (!kind) {
    throw new Error(
      `withMigrationLock needs a database with session locks: it works with pg, mysql and mysql2, not with ${facts.driverName}`,
    );
  }
  if (!canOpenBesidePool(knex)) {
    throw new Error('withMigrationLock opens a connection of its own: next to connectionPool, give connection as well');
  }
  const driver = driverOf(facts);
  // A server that is there answers in this time, however short the caller's patience with other runners.
  const answerMillis = Math.max(waitMillis, DEFAULTS.timeoutMillis);
  const opening = openBesidePool(knex) as Promise<RawConnection>;
  try {
    const connection = await bounded(opening, answerMillis, 'no connection could be opened for the migration lock');
    return new OwnConnection(kind, driver, connection, answerMillis);
  } catch (error) {
    opening.then(
      (late) => driver.destroySocket(late),
      () => {},
    );
    throw error;
  }
}

class OwnConnection implements LockConnection {
  readonly kind: LockConnection['kind'];
  readonly whenLost: Promise<Error>;
  readonly #driver: SessionEnd<unknown>;
  readonly #connection: RawConnection;
  readonly #answerMillis: number;
  readonly #ended = defer();

  constructor(
    kind: LockConnection['kind'],
    driver: SessionEnd<unknown> & StatementTap<unknown>,
    connection: RawConnection,
    answerMillis: number,
  ) {
    this.kind = kind;
    this.#driver = driver;
    this.#connection = connection;
    this.#answerMillis = answerMillis;
    const lost = defer<Error>();
    this.whenLost = lost.promise;
    driver.tap(connection, {
      refusal: undefined,
      ask: (statement) => statement.start(),
      answered: (error) => error,
      next: () => {},
      died: (error) => lost.resolve(error),
      ended: () => {
        lost.resolve(new Error('Connection terminated unexpectedly'));
        this.#ended.resolve();
      },
    });
    // Idle for as long as the work runs: keep-alive keeps middleboxes from forgetting it, and shows when it has ended.
    (connection.connection?.stream ?? connection.stream)?.setKeepAlive(true, KEEP_ALIVE_MILLIS);
  }

  get backendId(): number | undefined {
    return this.#driver.backendId(this.#connection);
  }

  async ask(sql: string, bindings: readonly unknown[] = []): Promise<Rows> {
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#connection.query(sql, bindings, (error, result) => (error ? reject(lossOr(error)) : resolve(result)));
    });
    const result = await bounded(answer, this.#answerMillis, 'the server did not answer the migration lock');
    return (Array.isArray(result) ? result : ((result as { rows?: Rows }).rows ?? [])) as Rows;
  }

  async close(): Promise<void> {
    if (!this.#driver.isGone(this.#connection)) {
      const asked = this.#driver.closeGracefully(this.#connection);
      await within(CLOSE_MILLIS, Promise.all([asked, this.#ended.promise]));
    }
    this.#driver.destroySocket(this.#connection);
  }
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
