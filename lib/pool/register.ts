// The register of open connections: what is opened is tapped and written in, and is closed and crossed out by one way only.
import type { Guards } from '../knex/tarn';
import { closeConnection } from './close-connection';
import { Generations } from './generations';
import { Openings, type Stamp } from './openings';
import { Session, sessionOf } from './session';

export abstract class Register extends Generations {
  /** Every open connection of ours, of whatever generation. */
  readonly sessions = new Set<Session>();
  readonly openings = new Openings(this);
  /** Raised when a reset or `destroy()` begins: what was opened before is fenced off. */
  generation = 0;
  /** The number of evictions: connections opened before the last one are not lent again. */
  epoch = 0;

  /** Somebody waits, who may be served. */
  abstract get isWanted(): boolean;

  /** Closes a connection and forgets it, also when it is lent out. Resolves when the server has let go, or is known not to answer. */
  discard(session: Session, timeoutMillis = this.host.timeoutMillis): Promise<'ended' | 'forced'> {
    session.doomed = true;
    session.closing ??= closeConnection(session, timeoutMillis).finally(() => this.forget(session));
    if (!this.host.isExternal) this.lender?.remove(session.connection);
    return session.closing;
  }

  /** Whether closing it would lose the data. */
  keeps({ driver, connection }: Session): boolean {
    return driver.keepsData?.(connection) ?? false;
  }

  /** A connection from elsewhere that a transaction was told to use: tapped, but not ours to lend or close. */
  trackForeign(connection: object): Session {
    const session = this.track(connection);
    this.sessions.delete(session);
    return session;
  }

  /** A connection that is over leaves the books. */
  forget(session: Session): void {
    this.sessions.delete(session);
    session.returned();
    this.lender?.remove(session.connection);
  }

  /** Connections opened so far are not lent again: idle ones are closed now, busy ones when they come back. */
  evict(): void {
    this.epoch++;
    this.openings.doubtSettings();
    for (const session of this.sessions) {
      if (this.keeps(session)) session.epoch = this.epoch;
      else if (!session.lent) void this.discard(session);
    }
  }

  /** What knex's own making, checking and closing of connections is wrapped in. */
  readonly guards: Guards = {
    create: (make) => this.openings.create(make),
    validate: (connection, check) => {
      const session = sessionOf(connection);
      if (!session || session.death !== undefined || session.doomed || session.epoch !== this.epoch) return false;
      const checking = this.host.check(session);
      if (checking === undefined) return check(connection);
      return checking.then((isAlive) => isAlive && check(connection));
    },
    destroy: (connection, close) => {
      const session = sessionOf(connection);
      return session ? this.discard(session) : close(connection);
    },
  };

  /** Taps a connection, and writes it into the books. */
  track(connection: object, stamp: Stamp = this): Session {
    this.openings.delete(connection);
    const { host } = this;
    const session = new Session(connection, host.driver, stamp, {
      onDeath: (dying, error) => {
        host.onDeath(dying, error);
        if (!dying.lent) void this.discard(dying);
      },
      onError: (failing, error) => host.onError(failing, error),
    });
    this.sessions.add(session);
    return session;
  }

  protected isCurrent(session: Session): boolean {
    return session.generation === this.generation && session.epoch === this.epoch;
  }
}
