// One at a time on a sandbox's only connection: a query of the instance under its savepoint, or one statement of a transaction.
import type { TransactionStatus } from '../drivers/driver';
import { isNoSavepoint } from '../drivers/error-codes';

/** What turns are taken on. */
interface Connection {
  /** Known only while nothing runs. */
  readonly status: TransactionStatus;
  readonly isQuiet: boolean;
  readonly lastSql: string | undefined;
  sendAll(statements: string[]): Promise<unknown>;
  whenQuiet(): Promise<void>;
}

const NAME = 'sandbox';
export const SET_SAVEPOINT = `SAVEPOINT ${NAME}`;
const UNDO = `ROLLBACK TO SAVEPOINT ${NAME}`;
const RELEASE = `RELEASE SAVEPOINT ${NAME}`;

/**
 * A query that fails is undone by itself, so that it does not poison what comes after it. The savepoint for that stays until it is in
 * the way: the next query renews it in the same message, and whatever is not such a query, and may set savepoints of its own, finds none.
 */
export class SavepointMutex {
  readonly #connection: Connection;
  #isTaken = false;
  readonly #waiting: (() => void)[] = [];
  /** Nothing more is sent. */
  #closed: Error | undefined;
  /** `unused`: nothing was sent since it was set. */
  #savepoint: 'none' | 'unused' | 'used';
  readonly #onEscape: (sql: string) => void;
  /** Of the last query that ended. */
  #lastSql = '';

  /**
   * @param hasSavepoint it was set already
   * @param onEscape told of a query after which the savepoint was gone, and so was the transaction that it was in
   */
  constructor(connection: Connection, hasSavepoint: boolean, onEscape: (sql: string) => void) {
    this.#connection = connection;
    this.#savepoint = hasSavepoint ? 'unused' : 'none';
    this.#onEscape = onEscape;
  }

  /** For one statement of a transaction. Resolves when it is the caller's turn, in the order of the calls; `end()` ends it. */
  async take(): Promise<void> {
    await this.#next();
    if (this.#savepoint !== 'none') await this.#send('none', RELEASE).catch(() => {});
  }

  /** Lets the next one have its turn. */
  end(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#isTaken = false;
  }

  /**
   * For a query of the instance, its savepoint included. Undefined: it is its turn at once. `endQuery()` ends it.
   * @param allow throws where the query may not be sent any more
   */
  takeForQuery(allow: () => void): Promise<void> | undefined {
    if (this.#closed || this.#isTaken || this.#savepoint !== 'unused') return this.#takeForQuery(allow);
    this.#isTaken = true;
    return undefined;
  }

  /** Undoes the query if it failed, and ends its turn. Undefined: that is done. */
  endQuery(): Promise<void> | undefined {
    if (this.#closed) return undefined;
    const { isQuiet, status, lastSql = '' } = this.#connection;
    this.#savepoint = 'used';
    this.#lastSql = lastSql;
    if (!isQuiet || status !== 'open') return this.#lookAfterQuery().finally(() => this.end());
    this.end();
    return undefined;
  }

  /** For what ends everything, in one message with the savepoint's end. */
  async finish(statements: string[]): Promise<void> {
    await this.#next();
    const release = this.#savepoint === 'none' ? [] : [RELEASE];
    await this.#send('none', ...release, ...statements).finally(() => this.end());
  }

  /** The connection is not to be used any more: who waits for a turn, or asks for one, is told. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #next(): Promise<void> {
    if (this.#isTaken && !this.#closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    // Also where it came between the turn and its start.
    if (this.#closed) throw this.#closed;
    this.#isTaken = true;
  }

  async #takeForQuery(allow: () => void): Promise<void> {
    await this.#next();
    try {
      allow();
      if (this.#savepoint === 'none') await this.#send('unused', SET_SAVEPOINT);
      else if (this.#savepoint === 'used') await this.#send('unused', RELEASE, SET_SAVEPOINT);
      allow();
    } catch (error) {
      this.end();
      throw error;
    }
  }

  async #lookAfterQuery(): Promise<void> {
    const connection = this.#connection;
    await connection.whenQuiet();
    if (this.#closed) return;
    // Where a statement ended the transaction, the savepoint went with it.
    if (connection.status === 'idle') this.#savepoint = 'none';
    // What is wrong with the connection is said to whoever asks next.
    else if (connection.status === 'failed') await this.#send('unused', UNDO).catch(() => {});
  }

  async #send(savepoint: 'none' | 'unused', ...statements: string[]): Promise<void> {
    this.#savepoint = 'none';
    try {
      await this.#connection.sendAll(statements);
    } catch (error) {
      if (isNoSavepoint(error)) this.#onEscape(this.#lastSql);
      throw error;
    }
    this.#savepoint = savepoint;
  }
}
