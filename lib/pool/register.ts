// The register of open connections: each is tapped when it is opened, and there is one way to close and remove it.
import type { Guards } from '../knex/tarn';
import { inBackground, step, valueOr } from '../words/foreign';
import { type Deadline, SharedWork, type TimeLimit } from '../words/waiting';
import { closeConnection } from '../connection/close';
import { Terminator } from '../connection/terminator';
import { Generations } from './generations';
import { Openings, type Stamp } from './openings';
import { Connection, connectionOf, type Ending } from '../connection/connection';

export abstract class Register extends Generations {
  /** Every open connection of ours, of whatever generation. */
  readonly connections = new Set<Connection>();
  readonly openings = new Openings(this);
  readonly terminator = new Terminator();
  /** Raised when a reset or `destroy()` begins: what was opened before is fenced off. */
  generation = 0;
  /** The number of evictions: connections opened before the last one are not lent again. */
  evictionCount = 0;

  /** An acquire waits that may be served. */
  abstract get isWanted(): boolean;

  /** Closes a connection and forgets it, also when it is lent out. Resolves when the server has let go, or is known not to answer. */
  async discard(connection: Connection, limit: TimeLimit = this.host.timeoutMillis): Promise<Ending> {
    connection.doomed = true;
    const close = (deadline: Deadline) =>
      closeConnection(connection, deadline, this.terminator).finally(() => this.forget(connection));
    connection.closing ??= new SharedWork(limit, close);
    const closed = connection.closing.join(limit);
    if (!this.host.isExternal) step(() => this.lender?.remove(connection.raw));
    return (await closed) ?? 'forced';
  }

  /** Whether closing it would lose the data. */
  keeps({ driver, raw }: Connection): boolean {
    return driver.losesDataOnClose?.(raw) ?? false;
  }

  /** A connection that a reset had taken is as new: it goes back for the next borrower. */
  restore(connection: Connection): void {
    connection.seized = false;
    if (!connection.lent) return;
    connection.returned();
    valueOr(false, () => this.lender?.release(connection.raw));
  }

  /** Openings for the ended generation no longer count. */
  async abandonOpenings(deadline: Deadline): Promise<void> {
    const cut = this.openings.cut(deadline);
    this.abandonRetired();
    await cut;
  }

  /** Those of an ended generation. */
  outdated(): Connection[] {
    return [...this.connections].filter(({ generation }) => generation !== this.generation);
  }

  /** A connection from elsewhere that a transaction was given: tapped, but never lent or closed here. */
  trackForeign(raw: object): Connection {
    const connection = this.track(raw);
    this.connections.delete(connection);
    return connection;
  }

  /** A connection that is over leaves the books. */
  forget(connection: Connection): void {
    this.connections.delete(connection);
    connection.returned();
    step(() => this.lender?.remove(connection.raw));
  }

  /** Connections opened so far are not lent again. Closes the idle ones now, busy ones when they come back. Resolves when the idle ones are closed. */
  async evict(): Promise<void> {
    this.evictionCount++;
    this.openings.invalidateSettings();
    const idle: Promise<unknown>[] = [];
    for (const connection of this.connections) {
      if (this.keeps(connection)) connection.evictionCount = this.evictionCount;
      else if (!connection.lent) idle.push(this.discard(connection));
    }
    await Promise.all(idle);
  }

  /** What knex's own making, checking and closing of connections is wrapped in. */
  readonly guards: Guards = {
    create: (make) => this.openings.create(make),
    validate: (raw, check) => {
      const connection = connectionOf(raw);
      if (
        !connection ||
        connection.death !== undefined ||
        connection.doomed ||
        connection.evictionCount !== this.evictionCount
      )
        return false;
      const checking = this.host.check(connection);
      if (checking === undefined) return check(raw);
      return checking.then((isAlive) => isAlive && check(raw));
    },
    destroy: (raw, close) => {
      const connection = connectionOf(raw);
      return connection ? this.discard(connection) : close(raw);
    },
  };

  /** Taps a connection, and writes it into the books. */
  track(raw: object, stamp: Stamp = this): Connection {
    this.openings.delete(raw);
    const { host } = this;
    const connection = new Connection(raw, host.driver, stamp, {
      onDeath: (dying, error) => {
        host.onDeath(dying, error);
        if (!dying.lent) inBackground(this.discard(dying));
      },
      onError: (failing, error) => host.onError(failing, error),
    });
    this.connections.add(connection);
    return connection;
  }

  protected isCurrent(connection: Connection): boolean {
    return connection.generation === this.generation && connection.evictionCount === this.evictionCount;
  }
}
