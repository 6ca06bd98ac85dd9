// How a driver stops a running statement, and how it ends or resets a session.
import type { TimeLimit } from '../words/waiting';
import type { SideConnection } from './side-connection';

export interface SessionEnd<C> {
  /** The server's id of the session, where there is one. */
  backendId(connection: C): number | undefined;
  /** Whether every statement had its answer, and only one. True only while nothing is running. Absent: it is not known. */
  isInStep?(connection: C): boolean;
  /** Whether its session is another one than it was lent as, by what its next borrower is not to inherit: locks that outlast its transactions, autocommit turned off. Absent: never, as far as is known. */
  isAltered?(connection: C): boolean;
  /** Whether the connection has already reported its end. */
  isGone(connection: C): boolean;
  /** Asks the server, over a way of its own, to stop the running statement. Resolves with true once the request was delivered, with false where the time was up: it may still arrive. Absent: there is no such way. */
  cancel?(connection: C, limit: TimeLimit): Promise<boolean>;
  /** Sends a goodbye. `ended()` of the sink is called when the server has closed. Rejects if the goodbye could not be sent. */
  closeGracefully(connection: C): Promise<unknown> | void;
  /** Destroys the socket. Proves nothing about the server. */
  destroySocket(connection: C): void;
  /** Opens a second connection to the same server, to terminate sessions from. Undefined: it cannot be opened. Absent: there is no such way. */
  openSideConnection?(connection: C): SideConnection | undefined;
  /** Whether one side connection serves both. */
  isSameServer?(one: C, other: C): boolean;
  /** Whether the data is lost with the connection: then a reset rolls it back in place, and does not close it. Absent: it never is. */
  losesDataOnClose?(connection: C): boolean;
  /** Resets the session, except for what `afterCreate` and the search path have to set again. Absent: the database cannot. */
  resetSession?(connection: C): Promise<void>;
}
