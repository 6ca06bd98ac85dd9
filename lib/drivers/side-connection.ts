// A second connection to the same server, to end other sessions from; it is itself closed after use.
import type { TimeLimit } from '../words/waiting';

/** A session as it is known here. Its id may belong to another session by now. */
export interface ServerSession {
  readonly id: number;
  /** How long ago it was known to be open. */
  readonly ageMillis: number;
  /** It is not terminated while it runs a COMMIT. */
  readonly sparesCommit: boolean;
}

export interface SideConnection {
  /** Tells the server to end the sessions. Resolves with the ids of those that are still there. */
  terminate(sessions: ServerSession[]): Promise<number[]>;
  /** Cancels what the sessions run. Resolves with the ids of those that exist. Absent: there is a better way. */
  cancel?(sessions: ServerSession[]): Promise<number[]>;
  /** Resolves when the server has closed it. Destroys its socket if there is no answer in time. */
  close(limit: TimeLimit): Promise<void>;
}
