// The register of open connections, and the counts by which one is known to be outdated: what was opened before the latest reset or eviction is not lent again.
import { inBackground, step, valueOr } from '../words/foreign';
import { type SharedTime, SharedWork } from '../words/shared-work';
import type { TimeLimit } from '../words/waiting';
import { closeConnection } from '../connection/close';
import { Terminator } from '../connection/terminator';
import { Connection, connectionOf, type SessionEvents } from '../connection/connection';
import type { Lendable } from '../connection/lendable';
import type { Ending, Stamp } from '../connection/state';
import type { PoolHost } from './pool-host';
import type { RealPools } from './real-pools';

interface Parts {
  readonly host: Pick<PoolHost, 'driver' | 'isExternal' | 'recovery' | 'timeoutMillis'>;
  readonly real: Pick<RealPools, 'present' | 'tellClosing'>;
}

export class Register implements SessionEvents {
  /** That of now: what has another one was opened before the latest reset or eviction. */
  stamp: Stamp = { generation: 0, evictionCount: 0 };
  /** Every open connection of ours, of whatever generation. */
  readonly connections = new Set<Connection>();
  readonly terminator = new Terminator();
  readonly #host: Parts['host'];
  readonly #real: Parts['real'];

  constructor({ host, real }: Parts) {
    this.#host = host;
    this.#real = real;
  }

  /** Nothing that was opened so far is lent again. */
  beginGeneration(): void {
    const { generation, evictionCount } = this.stamp;
    this.stamp = { generation: generation + 1, evictionCount };
  }

  /** Connections opened so far are not lent again. Closes the idle ones now, busy ones when they come back. Those that lose data by it stay. */
  async evict(): Promise<void> {
    const { generation, evictionCount } = this.stamp;
    this.stamp = { generation, evictionCount: evictionCount + 1 };
    const idle: Promise<unknown>[] = [];
    for (const connection of this.connections) {
      if (this.keeps(connection)) connection.stamp = this.stamp;
      else if (!connection.lent) idle.push(this.discard(connection));
    }
    await Promise.all(idle);
  }

  isCurrent({ stamp }: Lendable): boolean {
    return stamp === this.stamp;
  }

  /** An eviction came since it was opened: it is not lent again, whatever it answers. */
  isEvicted({ stamp }: Lendable): boolean {
    return stamp.evictionCount !== this.stamp.evictionCount;
  }

  /** Those of an ended generation. */
  outdated(): Connection[] {
    return [...this.connections].filter(({ stamp }) => stamp.generation !== this.stamp.generation);
  }

  /** A connection that a reset had, and that has nothing of its borrower's any more, is of the present generation. An eviction stays one. */
  renew(connection: Lendable): void {
    const { evictionCount } = connection.stamp;
    connection.accept(this.isEvicted(connection) ? { ...this.stamp, evictionCount } : this.stamp);
  }

  /** Taps a connection of the real pool, and writes it into the books. It leaves them by `forget()`, once it is closed, or by `leaveToOwner()`. */
  track(raw: object): Connection {
    const connection = this.trackOpening(raw, this.stamp);
    connection.isPooled = true;
    return connection;
  }

  /** The same for one that the real pool does not have yet. */
  trackOpening(raw: object, stamp: Stamp): Connection {
    const connection = this.#tapped(raw, stamp);
    this.connections.add(connection);
    return connection;
  }

  /** The real pool has one that was opened for it, and its listeners have heard of it. Of a close that has begun before they hear now. */
  pooled(raw: object): void {
    const connection = connectionOf(raw);
    if (!connection) return;
    connection.isPooled = true;
    const { closing } = connection;
    const tellClosed = closing && this.#real.tellClosing(raw, false);
    if (tellClosed) inBackground(closing.done.finally(tellClosed));
  }

  #tapped(raw: object, stamp = this.stamp): Connection {
    const { driver } = this.#host;
    return new Connection(raw, driver.insteadFor?.(raw) ?? driver, stamp, this);
  }

  onDeath(dying: Connection, error: Error): void {
    // The user's own concerns us where it takes a transaction with it.
    if (dying.state.is === 'foreign' && dying.user === undefined) return;
    this.#host.recovery.onDeath(dying, error);
    if (!dying.lent) inBackground(this.discard(dying));
  }

  onError(failing: Connection, error: unknown): void {
    this.#host.recovery.onError(failing, error);
  }

  /** What a transaction is on, by its raw connection. One from elsewhere is tapped, but never lent or closed here. */
  given(raw: object): Connection {
    const known = connectionOf(raw);
    if (known) return known;
    const connection = this.#tapped(raw);
    connection.leaveToUser();
    return connection;
  }

  /** No transaction is on it any more: what becomes of it is for the user alone to hear. */
  async letGoForeign(connection: Connection): Promise<void> {
    await connection.whenQuiet();
    const isUsed = connection.user !== undefined || connectionOf(connection.raw) !== connection;
    if (!isUsed && connection.state.is === 'foreign' && connection.death === undefined) connection.untap();
  }

  /** Closes a connection and forgets it, also when it is lent out. Resolves when the server has ended the session, or is known not to answer. */
  async discard(connection: Connection, limit: TimeLimit = this.#host.timeoutMillis): Promise<Ending> {
    const closed = this.#closing(connection).join(limit);
    if (!this.#host.isExternal) step(() => this.#real.present?.remove(connection.raw));
    return (await closed) ?? 'forced';
  }

  #closing(connection: Connection): SharedWork<Ending> {
    connection.doubt();
    return connection.close(() => new SharedWork((time) => this.#close(connection, time)));
  }

  /** The one place where a connection is closed: of each that listeners of the pool have heard of, they hear its end once. */
  async #close(connection: Connection, time: SharedTime): Promise<Ending> {
    const { isPooled, lent, raw } = connection;
    const tellClosed = isPooled ? this.#real.tellClosing(raw, lent) : undefined;
    try {
      return await closeConnection(connection, time, this.terminator);
    } finally {
      this.forget(connection);
      tellClosed?.();
    }
  }

  /** Closes what the real pool has let go of, if it is a connection of this register. */
  async close(raw: object, closeOther: (raw: object) => unknown): Promise<void> {
    const connection = connectionOf(raw);
    await (connection ? this.#closing(connection).join(this.#host.timeoutMillis) : closeOther(raw));
  }

  /** A connection that is over leaves the books. */
  forget(connection: Connection): void {
    this.connections.delete(connection);
    connection.closed();
    step(() => this.#real.present?.remove(connection.raw));
  }

  /** One that goes back to a pool of the user's leaves the books: idle, it is its owner's, and no later reset's business. */
  leaveToOwner(connection: Connection): void {
    this.connections.delete(connection);
    connection.untap();
  }

  /** Gives a connection that a reset has cleaned back to the pool. */
  restore(connection: Connection): void {
    const wasLent = connection.lent;
    connection.returned();
    if (this.#host.isExternal) this.leaveToOwner(connection);
    if (wasLent) valueOr(false, () => this.#real.present?.release(connection.raw));
  }

  /** Whether closing it would lose the data. */
  keeps({ driver, raw }: Connection): boolean {
    return driver.losesDataOnClose?.(raw) ?? false;
  }
}
