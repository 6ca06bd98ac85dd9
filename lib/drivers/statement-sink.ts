// How statements come from knex to a connection's queue, and from there to the server.
import type { Duplex } from 'node:stream';
import type { PendingStatement } from './pending-statement';

/** The queue behind a tapped connection, as its driver sees it. */
export interface StatementSink {
  /** If set, nothing more is sent on this connection. */
  readonly refusal: Error | undefined;
  /** A statement is asked. */
  ask(statement: PendingStatement): void;
  /**
   * The first statement is answered. Returns the error that its caller gets.
   * @param ready resolves when the connection can take the next statement; undefined: at once
   */
  answered(error: unknown, result: unknown, ready: Promise<void> | undefined): unknown;
  /** The first statement has failed, and is answered later. */
  hasFailed?(error: unknown): void;
  /** The first statement is answered: the next one may start. */
  next(): void;
  /** The connection has ended or is about to, with what is known of the reason. */
  died(error: Error): void;
  /** The socket is closed. `isOrderly`: the server closed it, without an error. */
  ended(isOrderly: boolean): void;
}

/** A statement as knex is about to hand it to the driver. */
export interface KnexStatement {
  readonly sql: string;
  /** Where its rows go, one by one. */
  readonly reader?: Duplex;
  /** Hands it over. Resolves when it is answered, or read to its end. */
  send(): Promise<unknown>;
}

export interface StatementTap<C> {
  /** Makes every statement on the connection pass through the queue. Returns the undo. */
  tap(connection: C, sink: StatementSink): () => void;
  /** Makes a statement of knex pass through the queue. Absent: the tap does. */
  carry?(connection: C, statement: KnexStatement): Promise<unknown>;
  /** Sends one statement without the queue. */
  send(connection: C, sql: string): Promise<unknown>;
  /** `send()` takes several, with semicolons between them; those after one that fails are not run. */
  readonly takesScripts?: boolean;
}
