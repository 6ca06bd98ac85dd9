// The one pool that knex sees for the life of the instance. Behind it stand generations of real pools; a reset ends a generation.
import { isDisposed } from '../knex/connection-mark';
import type { KnexPool } from '../knex/pool-shape';
import { inBackground, step, valueOr } from '../words/foreign';
import type { QueryOrigin } from '../words/call-site';
import { isFreed } from './doubtful';
import type { RealPool } from './real-pool';
import { Register } from './register';
import { type Connection, connectionOf } from '../connection/connection';
import { REQUEUE, type Waiter, AcquireQueue } from './acquire-queue';

export class ResettablePool extends Register implements KnexPool {
  /** Like tarn's: users read it to know whether `knex.destroy()` was called. */
  destroyed = false;
  readonly #room = new AcquireQueue();

  /** Takes over what the instance had before, connections that are out included. */
  takeOverPool(first: RealPool): void {
    this.beginWith(first);
    const { tarn } = this;
    if (!tarn) return;
    const { used, free } = tarn.residents();
    for (const raw of used) this.track(raw).lend();
    for (const raw of free) this.track(raw);
    const { acquires, creates } = tarn.underWay();
    for (const pending of acquires) this.#adoptWaiter({ pending, askedAt: undefined, isEarlier: true });
    for (const creating of creates) this.openings.adopt(creating);
  }

  #adoptWaiter(waiter: Waiter): void {
    this.#room.add(waiter);
    waiter.pending.promise.then(
      (raw) => {
        this.#room.delete(waiter);
        (connectionOf(raw) ?? this.track(raw)).lend();
      },
      () => this.#room.delete(waiter),
    );
  }

  // What knex calls. `acquire` and `release` are the hot path.

  acquire(): { promise: Promise<object> } {
    const enclosing = this.host.enclosing();
    if (enclosing) return { promise: enclosing.enlist(this.host.whereAsked()) };
    if (!this.#room.isOpen) return { promise: this.#askLater() };
    const waiter: Waiter = { pending: this.current().acquire(), askedAt: this.host.whereAsked(), verdict: undefined };
    this.#room.add(waiter);
    return {
      promise: waiter.pending.promise.then(
        (raw) => this.#lend(raw, waiter),
        (error) => this.#refuse(error, waiter),
      ),
    };
  }

  lendNow(): object | undefined {
    const real = this.tarn;
    const isOrdinary = this.#room.isOpen && !this.hasListeners && this.host.lendsUnasked;
    if (!real || !isOrdinary || this.host.enclosing() !== undefined) return undefined;
    const raw = real.lendNow(this.#isFit);
    if (raw) this.#markLent(connectionOf(raw) as Connection, this.host.whereAsked());
    return raw;
  }

  release(raw: object): boolean {
    const connection = connectionOf(raw);
    if (!connection || !connection.lent) return false;
    if (connection.lease.guests.length > 0) {
      connection.lease.guests.pop()?.();
      return true;
    }
    // Code that had it before its transaction gives it back once more.
    if (connection.user?.keepsConnection) return false;
    if (connection.seized) {
      connection.givenBack();
      return true;
    }
    if (connection.isClean && this.isCurrent(connection)) return this.#takeBack(connection);
    inBackground(this.#tidyUp(connection));
    return true;
  }

  /** What `knex.destroy()` calls, also that of a copy made before the instance was resettable. */
  destroy(): Promise<unknown> {
    return this.host.destroy();
  }

  override numPendingAcquires(): number {
    return super.numPendingAcquires() + this.#room.heldAtGate;
  }

  // What a reset, an eviction and the diagnostics work with.

  get isClosed(): boolean {
    return this.#room.isClosed;
  }

  get isResetting(): boolean {
    return this.#room.isGated;
  }

  get waiting(): number {
    return this.#room.waiting + this.#room.heldAtGate;
  }

  /** From here on every acquire waits. */
  closeGate(): void {
    this.#room.closeGate();
  }

  openGate(): void {
    this.#room.openGate();
  }

  /** After it queries fail as on a destroyed knex, until `reopen()`. */
  close(): void {
    this.#room.isClosed = true;
  }

  reopen(): void {
    this.#room.isClosed = false;
    this.destroyed = false;
  }

  /** Rejects all pending acquires, or makes them ask again behind the gate. Returns their number. */
  turnAway(error: () => Error, how: 'reject' | 'requeue'): number {
    return this.#room.turnAway(error, how, ({ pending, verdict }) =>
      step(() => this.lender?.turnAway(pending, verdict)),
    );
  }

  /** Lends a connection for this package's own use; it is given back with `release()`. */
  async borrow(): Promise<Connection> {
    return connectionOf(await this.acquire().promise) as Connection;
  }

  override get isWanted(): boolean {
    return !this.#room.isGated && this.#room.waiting > 0;
  }

  #lend(raw: object, waiter: Waiter): object | Promise<object> {
    this.#room.delete(waiter);
    if (waiter.verdict !== undefined) {
      // A reset came when the real pool had already given it a connection.
      valueOr(false, () => this.lender?.release(raw));
      return this.#refuse(waiter.verdict, waiter);
    }
    // A pool that several instances share lends what another one has tapped before.
    const known = connectionOf(raw);
    const connection = known && this.connections.has(known) ? known : this.track(raw);
    if (connection.closing !== undefined) return this.acquire().promise;
    this.#markLent(connection, waiter.askedAt);
    return raw;
  }

  #markLent(connection: Connection, askedAt: QueryOrigin | undefined): void {
    connection.lend(askedAt);
  }

  /** May be lent as it is, without being asked. */
  readonly #isFit = (raw: object): boolean => {
    const connection = connectionOf(raw);
    if (!connection?.isClean || !this.isCurrent(connection) || isDisposed(raw)) return false;
    return !this.host.needsCheck(connection);
  };

  #refuse(error: unknown, waiter: Waiter): Promise<object> {
    this.#room.delete(waiter);
    if (error === REQUEUE) return this.#askLater();
    // Knex would log ten lines for an error of ours.
    return error === waiter.verdict ? Promise.reject(error as Error) : this.host.explain(error);
  }

  async #askLater(): Promise<object> {
    await this.#room.passed();
    return this.acquire().promise;
  }

  #takeBack(connection: Connection): boolean {
    connection.returned();
    if (this.host.isExternal) {
      this.connections.delete(connection);
      connection.untap();
    }
    return this.lender?.release(connection.raw) ?? false;
  }

  async #tidyUp(connection: Connection): Promise<void> {
    const isKept = this.keeps(connection);
    const isOfUse = isKept || this.isCurrent(connection);
    if (!(await isFreed(connection, { isKept, isOfUse, timeoutMillis: this.host.timeoutMillis }))) return;
    if (isKept) connection.accept(this.generation);
    if (connection.isClean && this.isCurrent(connection)) this.#takeBack(connection);
    else inBackground(this.discard(connection));
  }
}
