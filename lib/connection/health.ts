// Whether a connection may be trusted, and what is known of its end. `sound` may become `suspect` and back; `dead` stays dead.
import { endsSession } from '../drivers/fatal-errors';

export type HealthState =
  | { readonly is: 'sound' }
  /** Must not be lent again as it is, although it may still work. */
  | { readonly is: 'suspect' /** The fatal error that a statement had on it. */; readonly fatal: Error | undefined }
  | {
      readonly is: 'dead';
      readonly error: Error;
      readonly fatal: Error | undefined;
      /** It was lost while COMMIT was under way. */
      readonly inCommit: boolean;
    };

const SOUND: HealthState = Object.freeze({ is: 'sound' });

export class Health {
  #state: HealthState = SOUND;
  /** Whether it was told that it is not needed any more, and whether the server has closed it then: that is its answer. */
  #goodbye: 'unsaid' | 'said' | 'answered' = 'unsaid';
  /** Idle, and asked whether it is still there. */
  isChecked = false;

  get state(): HealthState {
    return this.#state;
  }

  get isSound(): boolean {
    return this.#state.is === 'sound';
  }

  /** The fatal error that a statement had on it. */
  get fatal(): Error | undefined {
    return this.#state.is === 'sound' ? undefined : this.#state.fatal;
  }

  /** Why the connection is gone, once it is. */
  get death(): Error | undefined {
    return this.#state.is === 'dead' ? this.#state.error : undefined;
  }

  /** The first fatal error is kept. */
  doubt(fatal?: Error): void {
    if (this.#state.is !== 'dead') this.#state = { is: 'suspect', fatal: this.fatal ?? fatal };
  }

  /** What was in doubt is known to be well. */
  clear(): void {
    if (this.#state.is !== 'dead') this.#state = SOUND;
  }

  /** Returns why. The server's own FATAL says more than the socket that closes after it. */
  die(error: Error, inCommit: boolean): Error {
    const { fatal } = this;
    const death = fatal ?? error;
    this.#state = { is: 'dead', error: death, fatal, inCommit };
    return death;
  }

  saidGoodbye(): void {
    this.#goodbye = 'said';
  }

  /** Its socket is closed: by the server's end of it, without an error, or in another way. */
  socketClosed(isOrderly: boolean): void {
    if (isOrderly && this.#goodbye === 'said') this.#goodbye = 'answered';
  }

  /** Another instance that had it has closed it. */
  closedElsewhere(there: Health): void {
    this.doubt();
    this.#goodbye = there.#goodbye;
  }

  /**
   * The server has let go of it: it has said so, or closed it in answer to a goodbye. Any other end of a socket proves nothing,
   * because something between may have forgotten the connection: the server then keeps the session with its locks.
   */
  get hasLetGo(): boolean {
    return this.#goodbye === 'answered' || endsSession(this.death);
  }
}
