// What the server's answers say of the transaction on one connection: its first error, what ended it, whether the connection is lost.
import { means } from '../drivers/error-codes';
import type { Answer, TransactionReader } from '../drivers/transaction-reader';

/** A statement of the user's that ended the transaction. */
export interface EndingStatement {
  readonly sql: string;
  /** It is known to have committed it. */
  readonly hasCommitted: boolean;
  /** A new transaction was begun by the same statement. */
  readonly wasRestarted: boolean;
}

/** What follows from an answer. */
export type Verdict =
  | { readonly is: 'endedByUser'; readonly by: EndingStatement }
  | { readonly is: 'endedByServer'; readonly error: unknown }
  | { readonly is: 'fatal'; readonly error: unknown };

/** The connection, as far as its answers are read here. */
interface Answering {
  readonly raw: object;
  readonly driver: TransactionReader<unknown>;
}

interface FatalHooks {
  readonly whenOver: Promise<void>;
  readonly isOver: boolean;
}

export class ServerView {
  /** The first statement error that no rollback to a savepoint has undone. */
  firstError: unknown;
  /** What has ended the transaction. `server`: it has rolled back with a statement that failed, which is not the doing of a later one. */
  #end: EndingStatement | 'server' | undefined;
  /** What its holders are told of that. */
  control: Error | undefined;
  /** A fatal error was met; an object: its hooks run, or have run. */
  fatal: 'none' | 'met' | FatalHooks = 'none';

  /** The statement of the user's that has ended the transaction. */
  get endedBy(): EndingStatement | undefined {
    return this.#end === 'server' ? undefined : this.#end;
  }

  /** Whoever ends it may be one of its onFatal hooks. */
  get isInFatalHooks(): boolean {
    return typeof this.fatal === 'object' && !this.fatal.isOver;
  }

  get isFatal(): boolean {
    return this.fatal !== 'none';
  }

  /**
   * A statement succeeded.
   * @param isOpen nothing was sent yet that ends the transaction
   */
  succeeded({ driver, raw }: Answering, isOpen: boolean, answer: Answer): Verdict | undefined {
    const status = driver.status(raw);
    if (status === 'open') {
      if (isOpen && driver.wasRestarted?.(raw, answer)) return this.#ended({ driver, raw }, answer);
      this.firstError = undefined;
      this.#end = undefined;
    } else if (status === 'idle' && isOpen && this.#end !== 'server') {
      return this.#ended({ driver, raw }, answer);
    }
    return undefined;
  }

  /** A statement failed. One that was refused because of an earlier error has that as its cause. */
  failed({ driver, raw }: Answering, answer: Answer, isFatal: boolean): Verdict | undefined {
    const { sql, error } = answer;
    if (means(error, 'inFailedTransaction')) {
      const refused = error as { cause?: unknown };
      if (this.firstError !== undefined) refused.cause ??= this.firstError;
    } else {
      this.firstError ??= error;
    }
    if (isFatal) {
      if (this.fatal === 'none') this.fatal = 'met';
      return { is: 'fatal', error };
    }
    if (this.endedBy) return undefined;
    const isOver = driver.status(raw) === 'idle';
    if (driver.mayHaveEnded?.(sql))
      return isOver || driver.wasRestarted?.(raw, answer) ? this.#ended({ driver, raw }, answer) : undefined;
    // A deadlock on MySQL, ON CONFLICT ROLLBACK on SQLite.
    return isOver ? this.#endedByServer(error) : undefined;
  }

  /**
   * The connection is ready again after a statement failed: only now is its status known. A script may have failed behind its COMMIT,
   * a COMMIT by hand may have failed, the server may have rolled back with the statement: no error says so.
   */
  readied({ driver, raw }: Answering, answer: Answer): Verdict | undefined {
    if (this.#end) return undefined;
    const status = driver.status(raw);
    if (means(answer.error, 'mayBeRolledBack'))
      return status === 'idle' ? this.#endedByServer(answer.error) : undefined;
    return status === 'idle' || driver.wasRestarted?.(raw, answer) ? this.#ended({ driver, raw }, answer) : undefined;
  }

  #endedByServer(error: unknown): Verdict {
    this.#end = 'server';
    return { is: 'endedByServer', error };
  }

  /** What came first has ended it: after a schema change on MySQL the transaction goes on without one on the server. */
  #ended({ driver, raw }: Answering, answer: Answer): Verdict {
    const hasCommitted = driver.hasCommitted(raw, answer);
    const wasRestarted = driver.status(raw) !== 'idle';
    return this.endedByUser(this.endedBy ?? { sql: answer.sql, hasCommitted, wasRestarted });
  }

  endedByUser(by: EndingStatement): Verdict {
    this.#end = by;
    return { is: 'endedByUser', by };
  }
}
