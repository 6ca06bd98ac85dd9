// Gives turns on the only connection of a sandbox: to a query of the instance under its savepoint, or to one statement of a transaction.
// A wait for a turn ends after `waitMillis`, a statement of the mutex's own after `timeoutMillis`.
import type { TransactionStatus } from '../drivers/transaction-reader';
import { means } from '../drivers/error-codes';
import { release, rollbackTo, savepoint } from '../drivers/sql';
import { SandboxError } from '../words/errors';
import { within } from '../words/waiting';
import type { Mutex, TurnHolder } from './mutex';
import { TurnQueue } from './turn-queue';

/** What turns are taken on. */
interface Connection {
  /** Known only while nothing runs. */
  readonly status: TransactionStatus;
  readonly isQuiet: boolean;
  readonly lastSql: string | undefined;
  sendAll(statements: string[]): Promise<unknown>;
  whenQuiet(): Promise<void>;
}

export interface MutexSettings {
  /** The savepoint for the first query was set already. */
  hasSavepoint: boolean;
  /** The bound of a wait for a turn. */
  waitMillis: number;
  /** How long the server has to answer what is sent here. */
  timeoutMillis: number;
  /** Told of a query after which the savepoint was gone, and so was the transaction that it was in. */
  onEscape(sql: string): void;
  /** The server did not answer in time: nothing more can be sent. */
  onSilence(error: Error): void;
}

const NAME = 'sandbox';
export const SET_SAVEPOINT = savepoint(NAME);
const UNDO = rollbackTo(NAME);
const RELEASE = release(NAME);

/**
 * A query that fails is undone by itself, so that it does not poison what comes after it. The savepoint for that stays until it is in
 * the way: the next query renews it in the same message, and whatever is not such a query, and may set savepoints of its own, finds none.
 */
export class SavepointMutex implements Mutex {
  readonly isShared = true;
  readonly #connection: Connection;
  readonly #settings: MutexSettings;
  readonly #queue: TurnQueue;
  /** `unused`: nothing was sent since it was set. */
  #savepoint: 'none' | 'unused' | 'used';
  /** Waits of another kind. */
  #counted = 0;
  /** Of the last query that ended. */
  #lastSql = '';

  constructor(connection: Connection, settings: MutexSettings) {
    this.#connection = connection;
    this.#settings = settings;
    this.#queue = new TurnQueue(settings.waitMillis);
    this.#savepoint = settings.hasSavepoint ? 'unused' : 'none';
  }

  get holder(): TurnHolder | undefined {
    return this.#queue.holder;
  }

  get waiting(): number {
    return this.#queue.waiting + this.#counted;
  }

  count<T>(wait: Promise<T>): Promise<T> {
    this.#counted++;
    return wait.finally(() => {
      this.#counted--;
    });
  }

  async run<T>(holder: TurnHolder, work: () => Promise<T>): Promise<T> {
    const end = await this.take(holder);
    try {
      return await work();
    } finally {
      end();
    }
  }

  async take(holder: TurnHolder): Promise<() => void> {
    await this.#queue.next(holder);
    if (this.#savepoint !== 'none') await this.#release();
    return () => this.#queue.end();
  }

  /**
   * For a query of the instance, its savepoint included. Undefined: it is its turn at once. `endQuery()` ends it.
   * @param allow throws where the query may not be sent any more
   */
  takeForQuery(holder: TurnHolder, allow: () => void): Promise<void> | undefined {
    if (this.#savepoint !== 'unused' || !this.#queue.takeNow(holder)) return this.#takeForQuery(holder, allow);
    return undefined;
  }

  /** Undoes the query if it failed, and ends its turn. Undefined: that is done. */
  endQuery(): Promise<void> | undefined {
    if (this.#queue.isClosed) return undefined;
    const { isQuiet, status, lastSql = '' } = this.#connection;
    this.#savepoint = 'used';
    this.#lastSql = lastSql;
    if (!isQuiet || status !== 'open') return this.#lookAfterQuery().finally(() => this.#queue.end());
    this.#queue.end();
    return undefined;
  }

  /**
   * For what ends everything: resolves in its turn with what sends it, in one message with the savepoint's end, and ends the turn. How long
   * the server may take is its caller's to say.
   */
  async finish(holder: TurnHolder): Promise<(statements: string[]) => Promise<void>> {
    await this.#queue.next(holder);
    return (statements) => {
      const release = this.#savepoint === 'none' ? [] : [RELEASE];
      const sent = this.#connection.sendAll([...release, ...statements]);
      return this.#sent('none', sent).finally(() => this.#queue.end());
    };
  }

  close(error: Error): void {
    this.#queue.close(error);
  }

  async #takeForQuery(holder: TurnHolder, allow: () => void): Promise<void> {
    await this.#queue.next(holder);
    try {
      allow();
      if (this.#savepoint === 'none') await this.#send('unused', SET_SAVEPOINT);
      else if (this.#savepoint === 'used') await this.#send('unused', RELEASE, SET_SAVEPOINT);
      allow();
    } catch (error) {
      this.#queue.end();
      // What came meanwhile says more than what it made of the savepoint.
      allow();
      throw error;
    }
  }

  /** If it is not answered in time, no turn is given any more. Any other failure rejects the next request for a turn. */
  async #release(): Promise<void> {
    await this.#send('none', RELEASE).catch((error: unknown) => {
      if (this.#queue.isClosed) throw error;
    });
  }

  async #lookAfterQuery(): Promise<void> {
    const connection = this.#connection;
    await this.#answered(connection.whenQuiet()).catch(() => {});
    if (this.#queue.isClosed) return;
    // Where a statement ended the transaction, the savepoint went with it.
    if (connection.status === 'idle') this.#savepoint = 'none';
    // The next request for a turn rejects with what is wrong with the connection.
    else if (connection.status === 'failed') await this.#send('unused', UNDO).catch(() => {});
  }

  #send(savepoint: 'none' | 'unused', ...statements: string[]): Promise<void> {
    return this.#sent(savepoint, this.#answered(this.#connection.sendAll(statements)));
  }

  /** @param savepoint what there is once it is answered */
  async #sent(savepoint: 'none' | 'unused', answered: Promise<unknown>): Promise<void> {
    this.#savepoint = 'none';
    try {
      await answered;
    } catch (error) {
      if (means(error, 'noSavepoint')) this.#settings.onEscape(this.#lastSql);
      throw error;
    }
    this.#savepoint = savepoint;
  }

  /** @throws SandboxError when the server does not answer: then no turn is given any more */
  async #answered(asked: Promise<unknown>): Promise<void> {
    const { timeoutMillis } = this.#settings;
    const answer = asked.then(
      () => ({ failed: false, error: undefined as unknown }),
      (error: unknown) => ({ failed: true, error }),
    );
    const known = await within(timeoutMillis, answer);
    if (known?.failed) throw known.error;
    if (known) return;
    const silence = new SandboxError(`the server did not answer the sandbox within ${timeoutMillis} ms`);
    this.#queue.close(silence);
    this.#settings.onSilence(silence);
    throw silence;
  }
}
