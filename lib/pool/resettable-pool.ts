// The one pool that knex sees for the life of the instance. Behind it stand generations of real pools; a reset ends a generation.
import { isDisposed, type KnexPool } from '../knex/insides';
import { Deadline, within } from '../waiting';
import type { Asked } from './ambient';
import { comeToRest } from './come-to-rest';
import type { RealPool } from './real-pool';
import { Register } from './register';
import { type Session, sessionOf } from './session';
import { AGAIN, type Waiter, WaitingRoom } from './waiting-room';

export class ResettablePool extends Register implements KnexPool {
  /** Like tarn's: read by people who want to know whether `knex.destroy()` was called. */
  destroyed = false;
  readonly #room = new WaitingRoom();

  /** Takes over what the instance had before, connections that are out included. */
  adopt(first: RealPool): void {
    this.beginWith(first);
    const { tarn } = this;
    if (!tarn) return;
    const { used, free } = tarn.residents();
    for (const connection of used) this.track(connection).lent = true;
    for (const connection of free) this.track(connection);
    const { acquires, creates } = tarn.underWay();
    for (const pending of acquires) this.#adoptWaiter({ pending, askedAt: undefined, isEarlier: true });
    for (const creating of creates) this.openings.adopt(creating);
  }

  #adoptWaiter(waiter: Waiter): void {
    this.#room.add(waiter);
    waiter.pending.promise.then(
      (connection) => {
        this.#room.delete(waiter);
        (sessionOf(connection) ?? this.track(connection)).lent = true;
      },
      () => this.#room.delete(waiter),
    );
  }

  // What knex calls. `acquire` and `release` are the hot path.

  acquire(): { promise: Promise<object> } {
    const home = this.host.home();
    if (home) return { promise: home.letIn(this.host.whereAsked()) };
    if (!this.#room.isOpen) return { promise: this.#askLater() };
    const waiter: Waiter = { pending: this.current().acquire(), askedAt: this.host.whereAsked(), fate: undefined };
    this.#room.add(waiter);
    return {
      promise: waiter.pending.promise.then(
        (connection) => this.#lend(connection, waiter),
        (error) => this.#refuse(error, waiter),
      ),
    };
  }

  lendNow(): object | undefined {
    const real = this.tarn;
    const isOrdinary = this.#room.isOpen && !this.hasListeners && this.host.lendsUnasked;
    if (!real || !isOrdinary || this.host.home() !== undefined) return undefined;
    const connection = real.lendNow(this.#isFit);
    if (connection) this.#markLent(sessionOf(connection) as Session, this.host.whereAsked());
    return connection;
  }

  release(connection: object): boolean {
    const session = sessionOf(connection);
    if (!session || !session.lent) return false;
    if (session.guests.length > 0) {
      session.guests.pop()?.();
      return true;
    }
    if (session.isTaken) {
      session.givenBack();
      return true;
    }
    if (session.isClean && this.isCurrent(session)) return this.#takeBack(session);
    void this.#tidyUp(session);
    return true;
  }

  /** What `knex.destroy()` calls, also that of a copy made before the instance was resettable. */
  destroy(): Promise<unknown> {
    return this.host.destroy();
  }

  override numPendingAcquires(): number {
    return super.numPendingAcquires() + this.#room.parked;
  }

  // What a reset, an eviction and the diagnostics work with.

  get isClosed(): boolean {
    return this.#room.isClosed;
  }

  get isResetting(): boolean {
    return this.#room.isGated;
  }

  get waiting(): number {
    return this.#room.waiting + this.#room.parked;
  }

  /** From here on everybody who asks for a connection waits. */
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

  /** A connection that a reset had taken is as new: it goes back for the next borrower. */
  restore(session: Session): void {
    session.isTaken = false;
    if (!session.lent) return;
    session.returned();
    this.lender?.release(session.connection);
  }

  /** Rejects everybody who waits for a connection, or makes them ask again behind the gate. Returns their number. */
  turnAway(error: Error, how: 'reject' | 'requeue'): number {
    return this.#room.turnAway(error, how, ({ pending, fate }) => this.lender?.turnAway(pending, fate));
  }

  /** Who is still opening one for the ended generation is of no interest any more. */
  abandonOpenings(): void {
    this.openings.cut();
    this.abandonRetired();
  }

  /** Lends a connection for this package's own use; it is given back with `release()`. */
  async borrow(): Promise<Session> {
    const connection = await this.acquire().promise;
    return sessionOf(connection) as Session;
  }

  /** Somebody waits, who may be served. */
  override get isWanted(): boolean {
    return !this.#room.isGated && this.#room.waiting > 0;
  }

  #lend(connection: object, waiter: Waiter): object | Promise<object> {
    this.#room.delete(waiter);
    if (waiter.fate !== undefined) {
      // A reset came when the real pool had already given it a connection.
      this.lender?.release(connection);
      return this.#refuse(waiter.fate, waiter);
    }
    const session = sessionOf(connection) ?? this.track(connection);
    if (session.closing !== undefined) return this.acquire().promise;
    this.#markLent(session, waiter.askedAt);
    return connection;
  }

  #markLent(session: Session, askedAt: Asked | undefined): void {
    session.lent = true;
    session.lentAt = Date.now();
    session.askedAt = askedAt;
  }

  /** May be lent as it is, without being asked. */
  readonly #isFit = (connection: object): boolean => {
    const session = sessionOf(connection);
    if (!session?.isClean || !this.isCurrent(session) || isDisposed(connection)) return false;
    return !this.host.needsCheck(session);
  };

  #refuse(error: unknown, waiter: Waiter): Promise<object> {
    this.#room.delete(waiter);
    if (error === AGAIN) return this.#askLater();
    return this.host.explain(error);
  }

  async #askLater(): Promise<object> {
    await this.#room.passed();
    return this.acquire().promise;
  }

  #takeBack(session: Session): boolean {
    session.returned();
    if (this.host.isExternal) {
      this.sessions.delete(session);
      session.untap();
    }
    return this.lender?.release(session.connection) ?? false;
  }

  /** A doubtful connection is never lent as it is: it comes to rest and out of its transaction within a bound, or is closed. */
  async #tidyUp(session: Session): Promise<void> {
    if (session.closing !== undefined) return;
    const { timeoutMillis } = this.host;
    const keeps = this.keeps(session);
    if (keeps || (!session.doomed && session.death === undefined && this.isCurrent(session))) {
      await within(timeoutMillis, comeToRest(session, new Deadline(timeoutMillis)));
    }
    if (session.closing !== undefined) return;
    // A reset came meanwhile, and has it now.
    if (session.isTaken) return session.givenBack();
    // Closing it would lose its data: whoever has it from inside its transaction gives it back.
    if (keeps && session.heldByHand > 0) {
      session.heldByHand--;
      return;
    }
    if (keeps) session.accept(this.generation);
    if (session.isClean && this.isCurrent(session)) this.#takeBack(session);
    else void this.discard(session);
  }
}
