// How what runs on a connection is stopped, and how its session is ended or made as new.
import type { TimeLimit } from '../words/waiting';
import type { SideConnection } from './side-connection';

export interface SessionEnd<C> {
  /** The server's id of the session, where there is one. */
  backendId(connection: C): number | undefined;
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
  /** Whether the data is lost with the connection: then a reset rolls it back in place, and does not close it. Absent: it never is. */
  losesDataOnClose?(connection: C): boolean;
  /** Makes the session as new, except for what `afterCreate` and the like have to set again. Absent: cannot be done. */
  resetSession?(connection: C): Promise<void>;
}
