// One at a time on a sandbox's only connection: a query of the instance under its savepoint, or one statement of a transaction.
import type { TransactionStatus } from '../drivers/driver';
import { isNoSavepoint } from '../drivers/error-codes';

/** What turns are taken on. */
interface Connection {
  /** Known only while nothing runs. */
  readonly status: TransactionStatus;
  readonly refusal: Error | undefined;
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
export class Turns {
  readonly #connection: Connection;
  #last: Promise<void> = Promise.resolve();
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

  /** For one statement of a transaction. Resolves when it is the caller's turn, in the order of the calls, with what ends it. */
  async take(): Promise<() => void> {
    const end = await this.#next();
    if (this.#savepoint !== 'none') await this.#send('none', RELEASE).catch(() => {});
    return end;
  }

  /**
   * For a query of the instance, its savepoint included. What is returned ends the turn, having undone a query that failed.
   * @param allow throws where the query may not be sent any more
   */
  async takeForQuery(allow: () => void): Promise<() => Promise<void>> {
    const end = await this.#next();
    try {
      allow();
      if (this.#savepoint === 'none') await this.#send('unused', SET_SAVEPOINT);
      else if (this.#savepoint === 'used') await this.#send('unused', RELEASE, SET_SAVEPOINT);
      allow();
    } catch (error) {
      end();
      throw error;
    }
    return () => this.#endOfQuery().finally(end);
  }

  /** For what ends everything, in one message with the savepoint's end. */
  async finish(statements: string[]): Promise<void> {
    const end = await this.#next();
    const release = this.#savepoint === 'none' ? [] : [RELEASE];
    await this.#send('none', ...release, ...statements).finally(end);
  }

  async #next(): Promise<() => void> {
    const before = this.#last;
    let end!: () => void;
    this.#last = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    return end;
  }

  async #endOfQuery(): Promise<void> {
    const connection = this.#connection;
    this.#savepoint = 'used';
    this.#lastSql = connection.lastSql ?? '';
    await connection.whenQuiet();
    // Where a statement ended the transaction, the savepoint went with it.
    if (connection.status === 'idle' || connection.refusal !== undefined) this.#savepoint = 'none';
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
