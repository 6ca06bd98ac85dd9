// The register of open connections, and the counts by which one is known to be outdated: what was opened before the latest reset or eviction is not lent again.
import { inBackground, step, valueOr } from '../words/foreign';
import { type SharedTime, SharedWork } from '../words/shared-work';
import type { TimeLimit } from '../words/waiting';
import { closeConnection } from '../connection/close';
import { Terminator } from '../connection/terminator';
import { Connection, connectionOf } from '../connection/connection';
import type { Stamp } from '../connection/stamp';
import type { Ending } from '../connection/state';
import type { PoolHost } from './pool-host';
import type { RealPool } from './real-pool';

interface Parts {
  readonly host: Pick<PoolHost, 'driver' | 'isExternal' | 'recovery' | 'timeoutMillis'>;
  readonly real: { readonly present: RealPool | undefined };
}

export class Register implements Stamp {
  /** Raised when a reset or `destroy()` begins. */
  generation = 0;
  /** Raised when a lost connection makes the others doubtful. */
  evictionCount = 0;
  /** Every open connection of ours, of whatever generation. */
  readonly connections = new Set<Connection>();
  readonly terminator = new Terminator();
  readonly #host: Parts['host'];
  readonly #real: Parts['real'];

  constructor({ host, real }: Parts) {
    this.#host = host;
    this.#real = real;
  }

  /** For an opening that starts now. */
  stamp(): Stamp {
    const { generation, evictionCount } = this;
    return { generation, evictionCount };
  }

  isCurrent({ generation, evictionCount }: Stamp): boolean {
    return generation === this.generation && evictionCount === this.evictionCount;
  }

  /** An eviction came since it was opened: it is not lent again, whatever it answers. */
  isEvicted({ evictionCount }: Stamp): boolean {
    return evictionCount !== this.evictionCount;
  }

  /** Those of an ended generation. */
  outdated(): Connection[] {
    return [...this.connections].filter(({ generation }) => generation !== this.generation);
  }

  /** Taps a connection, and writes it into the books. There is one way out of them: `forget()`. */
  track(raw: object, stamp: Stamp = this): Connection {
    const host = this.#host;
    const connection = new Connection(raw, host.driver, stamp, {
      onDeath: (dying, error) => {
        // The user's own concerns us where it takes a transaction with it.
        if (dying.state.is === 'foreign' && dying.user === undefined) return;
        host.recovery.onDeath(dying, error);
        if (!dying.lent) inBackground(this.discard(dying));
      },
      onError: (failing, error) => host.recovery.onError(failing, error),
    });
    this.connections.add(connection);
    return connection;
  }

  /** What a transaction is on, by its raw connection. One from elsewhere is tapped, but never lent or closed here. */
  given(raw: object): Connection {
    const known = connectionOf(raw);
    if (known) return known;
    const connection = this.track(raw);
    this.connections.delete(connection);
    connection.leaveToUser();
    return connection;
  }

  /** No transaction is on it any more: what becomes of it is for the user alone to hear. */
  async letGoForeign(connection: Connection): Promise<void> {
    await connection.whenQuiet();
    const isUsed = connection.user !== undefined || connectionOf(connection.raw) !== connection;
    if (!isUsed && connection.state.is === 'foreign' && connection.death === undefined) connection.untap();
  }

  /** Closes a connection and forgets it, also when it is lent out. Resolves when the server has let go, or is known not to answer. */
  async discard(connection: Connection, limit: TimeLimit = this.#host.timeoutMillis): Promise<Ending> {
    connection.doubt();
    const close = (time: SharedTime) =>
      closeConnection(connection, time, this.terminator).finally(() => this.forget(connection));
    const closed = connection.close(() => new SharedWork(close)).join(limit);
    if (!this.#host.isExternal) step(() => this.#real.present?.remove(connection.raw));
    return (await closed) ?? 'forced';
  }

  /** What knex's pool closes is closed here, where it is in the books. */
  async close(raw: object, closeOther: (raw: object) => unknown): Promise<void> {
    const connection = connectionOf(raw);
    await (connection ? this.discard(connection) : closeOther(raw));
  }

  /** A connection that is over leaves the books. */
  forget(connection: Connection): void {
    this.connections.delete(connection);
    connection.closed();
    step(() => this.#real.present?.remove(connection.raw));
  }

  /** A connection that a reset had taken is as new: it goes back for the next borrower. */
  restore(connection: Connection): void {
    const wasLent = connection.lent;
    connection.returned();
    if (wasLent) valueOr(false, () => this.#real.present?.release(connection.raw));
  }

  /** Whether closing it would lose the data. */
  keeps({ driver, raw }: Connection): boolean {
    return driver.losesDataOnClose?.(raw) ?? false;
  }

  /** Closes the idle ones that an eviction has made outdated; busy ones are closed when they come back. Those that lose data by it stay. */
  async closeEvicted(): Promise<void> {
    const idle: Promise<unknown>[] = [];
    for (const connection of this.connections) {
      if (this.keeps(connection)) connection.evictionCount = this.evictionCount;
      else if (!connection.lent) idle.push(this.discard(connection));
    }
    await Promise.all(idle);
  }
}
