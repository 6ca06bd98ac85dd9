// A second connection to the same server, to end other sessions from; it is itself closed after use.
import type { TimeLimit } from '../words/waiting';

/** A session as it is known here. Its id may belong to another session by now. */
export interface ServerSession {
  readonly id: number;
  /** How long ago it was known to be open. */
  readonly ageMillis: number;
  /** It is left alone while it works on a COMMIT. */
  readonly sparesCommit: boolean;
}

export interface SideConnection {
  /** Tells the server to end the sessions. Resolves with the ids of those that are still there. */
  terminate(sessions: ServerSession[]): Promise<number[]>;
  /** Tells the server to stop what the sessions run. Resolves with the ids of those that it has. Absent: there is a better way. */
  cancel?(sessions: ServerSession[]): Promise<number[]>;
  /** Resolves when the server has let go of it; cuts it where it does not answer in time. */
  close(limit: TimeLimit): Promise<void>;
}
