// What a database driver must be able to do for a reset, and how it reports what happens on the wire.
import type { Duplex } from 'node:stream';
import type { TimeLimit } from '../words/waiting';
import type { ServerKind, TargetSessionAttrs } from './server-kind';

/** `idle`: between transactions. `unknown`: the driver cannot tell. */
export type TransactionStatus = 'idle' | 'open' | 'failed' | 'unknown';

/** One statement from being asked to being answered. */
export interface PendingStatement {
  readonly sql: string;
  /** Answered row by row, at its reader's pace. */
  readonly isStream?: boolean;
  /** One of this package's own. */
  readonly isOwn?: boolean;
  /** Hands the statement to the driver. Called once, and only while no other statement is with the driver. */
  start(): void;
  /** Tells the asker that it failed; what the driver says later about it is dropped. */
  abort(error: Error): void;
}

/** The pool's side of a tapped connection. */
export interface StatementSink {
  /** Set: nothing more is sent on this connection. */
  readonly refusal: Error | undefined;
  /** A statement is asked. */
  ask(statement: PendingStatement): void;
  /**
   * The first statement is answered. Returns the error that the asker shall get.
   * @param ready resolves when the connection can take the next statement; undefined: at once
   */
  answered(error: unknown, result: unknown, ready: Promise<void> | undefined): unknown;
  /** The first statement has failed, and is answered later. */
  hasFailed?(error: unknown): void;
  /** The first statement is answered: the next one may start. */
  next(): void;
  /** The connection is gone or going, with what is known of the reason. */
  died(error: Error): void;
  /** The socket is closed. `isOrderly`: by the server's end of it, without an error. */
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

/** What differs from driver to driver. `C` is the driver's raw connection. */
export interface Driver<C = unknown> {
  readonly name: string;
  /** Makes every statement on the connection pass through the line. Returns the undo. */
  tap(connection: C, sink: StatementSink): () => void;
  /** Makes a statement of knex's pass through the line, where the tap cannot. Absent: the tap does. */
  carry?(connection: C, statement: KnexStatement): Promise<unknown>;
  /** The server's id of the session, where there is one. */
  backendId(connection: C): number | undefined;
  /** True only while nothing is running. */
  status(connection: C): TransactionStatus;
  /** Whether each answer was heard, and none twice. True only while nothing is running. Absent: cannot be told. */
  isInStep?(connection: C): boolean;
  /** Whether the connection has already said that it is gone. */
  isGone(connection: C): boolean;
  /** Asks the server, over a way of its own, to stop the running statement. Resolves with true once the request was delivered, with false where the time was up: it may still arrive. Absent: there is no such way. */
  cancel?(connection: C, limit: TimeLimit): Promise<boolean>;
  /** Says goodbye in an orderly way; the line hears `ended()` when the server has let go. Rejects where that could not be said. */
  closeGracefully(connection: C): Promise<unknown> | void;
  /** Destroys the socket. Proves nothing about the server. */
  destroySocket(connection: C): void;
  /** Opens a second connection to the same server, to terminate sessions from. Undefined: it cannot be opened. Absent: there is no such way. */
  openSideConnection?(connection: C): SideConnection | undefined;
  /** Whether one side connection does for both. */
  isSameServer?(one: C, other: C): boolean;
  /** Sends one statement outside of the line's queue. */
  send(connection: C, sql: string): Promise<unknown>;
  /** `send()` takes several, with semicolons between them; those after one that fails are not run. */
  readonly takesScripts?: boolean;
  /** Checks the deferred constraints of the transaction; absent where the database has none. */
  readonly constraintCheck?: string;
  /** The same for a transaction that goes on: afterwards its constraints are deferred as in a new one. Rejects with the database's error. */
  checkConstraints?(this: void, send: (sql: string) => Promise<unknown>): Promise<void>;
  /** Around a schema change of several steps inside a transaction, which drops a table that others refer to; absent where none is made so. */
  readonly schemaChange?: { before: string; after: string };
  /** Whether BEGIN can be DEFERRABLE, and what became of a transaction be asked by its id. */
  readonly isPostgres?: boolean;
  /** Whether the answer to a statement that ended the transaction says that the server rolled it back. */
  saysRolledBack(result: unknown, sql?: string): boolean;
  /** Whether a statement commits the transaction though it does not say so, as schema changes do on MySQL. Absent: none does. */
  commitsSilently?(sql: string): boolean;
  /** Whether an answer says that the transaction was ended, though there is a new one since (AND CHAIN). Absent: it never does. */
  wasRestarted?(result: unknown, sql: string): boolean;
  /** Whether the script that has just failed had ended the transaction before. Absent: only the status tells. */
  endedBefore?(connection: C, sql: string): boolean;
  /** The answer to COMMIT as far as it was heard, where the connection died before it was complete. Absent: it is heard whole or not at all. */
  endHeard?(connection: C): 'committed' | 'rolledBack' | undefined;
  /** A COMMIT is about to be cancelled. Returns what says whether that has cut short a wait of a COMMIT that was done. Absent: it never does. */
  watchCut?(connection: C): () => boolean;
  /** Whether the data is lost with the connection: then a reset rolls it back in place, and does not close it. Absent: it never is. */
  losesDataOnClose?(connection: C): boolean;
  /** Makes the session as new, except for what `afterCreate` and the like have to set again. Absent: cannot be done. */
  resetSession?(connection: C): Promise<void>;
  /** What `targetSessionAttrs` can ask for, beside 'any'. Absent: nothing. */
  readonly serverKinds?: readonly TargetSessionAttrs[];
  /** What kind of server a connection leads to. @param ask sends one statement of this package's own */
  serverKind?(connection: C, ask: (sql: string) => Promise<unknown>): Promise<ServerKind>;
  /** The driver's module, made to tell of every raw connection that it starts to open; absent where it cannot be told. */
  observeOpening?(module: unknown, openings: Openings<C>): unknown;
}

export interface Openings<C = unknown> {
  add(connection: C): void;
  delete(connection: C): void;
}

/** A session as it is known here. Its id may belong to another session by now. */
export interface ServerSession {
  readonly id: number;
  /** How long ago it was known to be open. */
  readonly ageMillis: number;
  /** It is left alone while it works on a COMMIT. */
  readonly sparesCommit: boolean;
}

/** A connection to end other sessions from; it is itself closed after use. */
export interface SideConnection {
  /** Tells the server to end the sessions. Resolves with the ids of those that are still there. */
  terminate(sessions: ServerSession[]): Promise<number[]>;
  /** Tells the server to stop what the sessions run. Resolves with the ids of those that it has. Absent: there is a better way. */
  cancel?(sessions: ServerSession[]): Promise<number[]>;
  /** Resolves when the server has let go of it; cuts it where it does not answer in time. */
  close(limit: TimeLimit): Promise<void>;
}
