// Whether a connection may be trusted, and what is known of its end.
import { endsSession } from '../drivers/fatal-errors';

export class Health {
  /** Never to be lent again, though it may still work. */
  doomed = false;
  /** The fatal error that a statement had on it. */
  fatal: Error | undefined;
  /** Why the connection is gone, once it is. */
  death: Error | undefined;
  /** It was lost while COMMIT was under way. */
  diedInCommit = false;
  /** Idle, and asked whether it is still there. */
  isChecked = false;
  /** It was told that it is not needed any more: if the server closes it now, that is its answer. */
  saidGoodbye = false;
  isClosedByServer = false;

  get state(): 'sound' | 'suspect' | 'dead' {
    if (this.death !== undefined) return 'dead';
    return this.doomed || this.fatal !== undefined ? 'suspect' : 'sound';
  }

  /**
   * The server has let go of it: it has said so, or closed it in answer to a goodbye. Any other end of a socket proves nothing,
   * because something between may have forgotten the connection: the server then keeps the session with its locks.
   */
  get hasLetGo(): boolean {
    return this.isClosedByServer || endsSession(this.death);
  }
}
