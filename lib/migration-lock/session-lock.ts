// The lock itself: a session lock of the server, named for one migrations table.
import { SESSION_LOCKS } from '../drivers/session-lock-sql';
import { MigrationLockError } from '../words/errors';
import { within } from '../words/waiting';
import type { LockConnection, Rows } from './lock-connection';
import { poolerError } from './refuse-pooler';
import type { TableName } from './table-name';
import { pause, type Wait } from './wait';

/** How often the holder makes sure that it still has the lock; how long a busy server may take to answer, while the work runs and at its end. */
const TIMES = { checkMillis: 10_000, answerMillis: 30_000, lastAnswerMillis: 5000 };

/** Held by one session until that ends. */
export class SessionLock {
  readonly #connection: LockConnection;
  readonly #session: number;
  readonly #times: typeof TIMES;

  /** @param session the server's id of the one that takes it */
  constructor(connection: LockConnection, session: number, times = TIMES) {
    this.#connection = connection;
    this.#session = session;
    this.#times = times;
  }

  /**
   * Resolves when the connection has the lock of the table. It is tried again and again: a session that waits inside a statement would hold
   * a snapshot, and a CREATE INDEX CONCURRENTLY of the holder waits for the end of every older snapshot.
   */
  async take(table: TableName, wait: Wait): Promise<void> {
    const connection = this.#connection;
    const lock = SESSION_LOCKS[connection.kind];
    const [prepared] = await connection.ask(lock.prepare);
    if (lock.stay !== undefined) await connection.ask(lock.stay);
    const key = lock.key(table.schema ?? String(prepared?.home), table.name);
    while (!this.#isTaken(await connection.ask(lock.take, [key, this.#session]))) {
      if (wait.deadline.leftMillis === 0) {
        const [holder] = await connection.ask(lock.holder, [key]);
        throw new MigrationLockError(
          `the migration lock of ${table.text} was not free within ${wait.waitMillis} ms: ${holder ? `${holder.who} holds it` : 'its holder has just released it'}`,
        );
      }
      await pause(wait);
    }
  }

  #isTaken([row]: Rows): boolean {
    if (Number(row?.id) !== this.#session) throw poolerError();
    return row?.taken === true || Number(row?.taken) === 1;
  }

  /** Resolves with the reason once the lock is lost, also where the network has died without a word. */
  whenLost(): Promise<Error> {
    const { whenLost } = this.#connection;
    return Promise.race([whenLost, this.#watch()]);
  }

  /** Never resolves where the connection is closed before. */
  async #watch(): Promise<Error> {
    const { checkMillis, answerMillis } = this.#times;
    const whenOver = this.#connection.whenOver();
    for (;;) {
      const isOver = await within(checkMillis, whenOver);
      const loss = isOver ? undefined : await this.#loss(answerMillis);
      if (loss) return loss;
      if (isOver) return new Promise(() => {});
    }
  }

  /** The work has ended: why the lock was lost meanwhile, if it was. */
  lossAtTheEnd(): Promise<Error | undefined> {
    return this.#loss(this.#times.lastAnswerMillis);
  }

  async #loss(limitMillis: number): Promise<Error | undefined> {
    try {
      const session = await this.#connection.session(limitMillis);
      return session === this.#session ? undefined : poolerError();
    } catch (error) {
      return error as Error;
    }
  }
}
