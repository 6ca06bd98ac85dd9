// The one pool that knex sees for the life of the instance. Behind it stand generations of real pools; a reset ends a generation.
import type { Driver } from '../drivers/driver';
import { isDisposed, type KnexPool } from '../knex/insides';
import type { Guards, PendingAcquire, TarnPool } from '../knex/tarn';
import { Deadline, type Deferred, defer, within } from '../waiting';
import type { Asked, Home } from './ambient';
import { closeConnection } from './close-connection';
import type { RealPool } from './real-pool';
import { Session, sessionOf } from './session';

type Listener = (...args: unknown[]) => void;

/** What the pool asks of the rest, all of it optional work: without answers it is a pool. */
export interface PoolHost {
  readonly driver: Driver;
  readonly isExternal: boolean;
  /** Builds the next generation's pool, knex's way. */
  build(): TarnPool;
  /** Opens a connection, having asked again with what settings. */
  makeAfresh(make: () => Promise<object>): Promise<object>;
  /** A connection is open, and about to be lent for the first time. */
  opened(connection: object): Promise<object>;
  /** Where a borrower came from, while that is recorded. */
  whereAsked(): Asked | undefined;
  /** The transaction that a query asked here has to run in, if any. */
  home(): Home | undefined;
  /** Whether knex has no say in lending an idle connection. */
  readonly lendsUnasked: boolean;
  /** Whether `check()` would send something. */
  needsCheck(session: Session): boolean;
  /** Whether an idle connection may be lent; undefined: at once. */
  check(session: Session): Promise<boolean> | undefined;
  onDeath(session: Session, error: Error): void;
  onError(session: Session, error: unknown): void;
  /** Rejects with what the asker gets where no connection could be had. */
  explain(error: unknown): Promise<never>;
  destroy(): Promise<unknown>;
  readonly timeoutMillis: number;
}

/** A query that waits for a connection. */
interface Waiter {
  pending: PendingAcquire;
  askedAt: Asked | undefined;
  /** Why it gets no connection, once that is so. */
  fate?: unknown;
  /** Asked before the instance was resettable: what it gets is out of our hands. */
  isEarlier?: boolean;
}

/** Rejects a waiter that shall ask again behind the gate. */
const AGAIN = Symbol('ask again');

export class ResettablePool implements KnexPool {
  readonly host: PoolHost;
  /** Every open connection of ours, of whatever generation. */
  readonly sessions = new Set<Session>();
  /** Raw connections that are being opened. */
  readonly openings = new Set<object>();
  /** Raised when a reset or `destroy()` begins: what was opened before is fenced off. */
  generation = 0;
  /** Like tarn's: read by people who want to know whether `knex.destroy()` was called. */
  destroyed = false;
  /** The number of evictions: connections opened before the last one are not lent again. */
  epoch = 0;
  #real: RealPool | undefined;
  #retired: TarnPool | undefined;
  readonly #waiters = new Set<Waiter>();
  #listeners: [string, Listener][] = [];
  /** Closed while a reset runs: who asks now waits for its end. */
  #gate: Deferred<void> | undefined;
  #isClosed = false;
  #parked = 0;
  readonly #creating = new Set<Promise<object>>();
  /** How often there was reason to ask for the connection settings again, and how many of those were answered since. */
  #doubts = 0;
  #settled = 0;
  #lastMin = 0;
  #lastMax = 0;

  constructor(host: PoolHost) {
    this.host = host;
  }

  /** Takes over what the instance had before, connections that are out included. */
  adopt(first: RealPool): void {
    this.#real = first;
    const tarn = this.#tarn;
    if (!tarn) return;
    this.#listeners = tarn.listeners();
    const { used, free } = tarn.residents();
    for (const connection of used) this.#track(connection).lent = true;
    for (const connection of free) this.#track(connection);
    const { acquires, creates } = tarn.underWay();
    for (const pending of acquires) this.#adoptWaiter({ pending, askedAt: undefined, isEarlier: true });
    for (const creating of creates) this.#adoptOpening(creating);
  }

  #adoptWaiter(waiter: Waiter): void {
    this.#waiters.add(waiter);
    waiter.pending.promise.then(
      (connection) => {
        this.#waiters.delete(waiter);
        (sessionOf(connection) ?? this.#track(connection)).lent = true;
      },
      () => this.#waiters.delete(waiter),
    );
  }

  #adoptOpening(opening: Promise<object>): void {
    const { generation } = this;
    const creating = opening.then(async (connection) => {
      const session = sessionOf(connection) ?? this.#track(connection);
      if (generation !== this.generation) await this.discard(session);
      return connection;
    });
    this.#creating.add(creating);
    const done = () => void this.#creating.delete(creating);
    creating.then(done, done);
  }

  // What knex calls. `acquire` and `release` are the hot path.

  acquire(): { promise: Promise<object> } {
    const home = this.host.home();
    if (home) return { promise: home.letIn(this.host.whereAsked()) };
    if (this.#gate !== undefined || this.#isClosed) return { promise: this.#askLater() };
    const waiter: Waiter = { pending: this.#current().acquire(), askedAt: this.host.whereAsked(), fate: undefined };
    this.#waiters.add(waiter);
    return {
      promise: waiter.pending.promise.then(
        (connection) => this.#lend(connection, waiter),
        (error) => this.#refuse(error, waiter),
      ),
    };
  }

  lendNow(): object | undefined {
    const real = this.#tarn;
    const isOrdinary =
      this.#gate === undefined && !this.#isClosed && this.#listeners.length === 0 && this.host.lendsUnasked;
    if (!real || !isOrdinary || this.host.home() !== undefined) return undefined;
    const connection = real.lendNow(this.#isFit);
    if (connection) this.#markLent(sessionOf(connection) as Session, this.host.whereAsked());
    return connection;
  }

  release(connection: object): boolean {
    const session = sessionOf(connection);
    if (!session || !session.lent) return false;
    if (session.isTaken) {
      session.givenBack();
      return true;
    }
    if (session.guests.length > 0) {
      session.guests.pop()?.();
      return true;
    }
    if (session.isClean && this.#isCurrent(session)) return this.#takeBack(session);
    void this.#tidyUp(session);
    return true;
  }

  /** What `knex.destroy()` calls, also that of a copy made before the instance was resettable. */
  destroy(): Promise<unknown> {
    return this.host.destroy();
  }

  // What people and metric exporters read.

  get min(): number {
    return this.#real?.min ?? this.#lastMin;
  }

  get max(): number {
    return this.#real?.max ?? this.#lastMax;
  }

  numUsed(): number {
    return this.#real?.numUsed() ?? 0;
  }

  numFree(): number {
    return this.#real?.numFree() ?? 0;
  }

  numPendingAcquires(): number {
    return (this.#real?.numPendingAcquires() ?? 0) + this.#parked;
  }

  numPendingCreates(): number {
    return this.#real?.numPendingCreates() ?? 0;
  }

  numPendingValidations(): number {
    return this.#real?.numPendingValidations() ?? 0;
  }

  on(event: string, listener: Listener): void {
    this.#listeners.push([event, listener]);
    this.#real?.on?.(event, listener);
  }

  removeListener(event: string, listener: Listener): void {
    this.#listeners = this.#listeners.filter((entry) => entry[0] !== event || entry[1] !== listener);
    this.#real?.removeListener?.(event, listener);
  }

  removeAllListeners(event: string): void {
    for (const [name, listener] of this.#listeners) if (name === event) this.removeListener(name, listener);
  }

  // What a reset, an eviction and the diagnostics work with.

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isResetting(): boolean {
    return this.#gate !== undefined;
  }

  /** Also while its settings are asked for, before there is a raw connection. */
  get isOpening(): boolean {
    return this.openings.size > 0 || this.#creating.size > 0;
  }

  get waiting(): number {
    return this.#waiters.size + this.#parked;
  }

  /** From here on everybody who asks for a connection waits. */
  closeGate(): void {
    this.#gate ??= defer();
  }

  openGate(): void {
    const gate = this.#gate;
    this.#gate = undefined;
    gate?.resolve();
  }

  /** After it queries fail as on a destroyed knex, until `reopen()`. */
  close(): void {
    this.#isClosed = true;
  }

  reopen(): void {
    this.#isClosed = false;
    this.destroyed = false;
  }

  /** Resolves when no connection is being opened. */
  async whenNothingOpens(): Promise<void> {
    await Promise.allSettled(this.#creating);
  }

  /** A connection that a reset had taken is as new: it goes back for the next borrower. */
  restore(session: Session): void {
    session.isTaken = false;
    if (!session.lent) return;
    session.returned();
    this.#real?.release(session.connection);
  }

  /** Rejects everybody who waits for a connection, or makes them ask again behind the gate. Returns their number. */
  turnAway(error: Error, how: 'reject' | 'requeue'): number {
    const waiters = [...this.#waiters];
    for (const waiter of waiters) {
      waiter.fate = how === 'requeue' && !waiter.isEarlier ? AGAIN : error;
      this.#real?.turnAway(waiter.pending, waiter.fate);
    }
    return waiters.length;
  }

  /** Ends the generation: its pool lends and opens nothing any more. The next borrower gets a new one. */
  retire(): void {
    this.#lastMin = this.min;
    this.#lastMax = this.max;
    if (this.host.isExternal) return;
    this.#retired = this.#tarn;
    this.#retired?.dismiss();
    this.#real = undefined;
  }

  /** What the ended generation still opens is of no interest any more. */
  abandonOpenings(): void {
    this.#retired?.abandonOpenings();
    this.#retired = undefined;
  }

  /** Closes a connection and forgets it, also when it is lent out. Resolves when the server has let go, or is known not to answer. */
  discard(session: Session, timeoutMillis = this.host.timeoutMillis): Promise<'ended' | 'forced'> {
    session.doomed = true;
    session.closing ??= closeConnection(session, timeoutMillis).finally(() => this.forget(session));
    if (!this.host.isExternal) this.#real?.remove(session.connection);
    return session.closing;
  }

  /** Whether closing it would lose the data. */
  keeps({ driver, connection }: Session): boolean {
    return driver.keepsData?.(connection) ?? false;
  }

  /** A connection from elsewhere that a transaction was told to use: tapped, but not ours to lend or close. */
  trackForeign(connection: object): Session {
    const session = this.#track(connection);
    this.sessions.delete(session);
    return session;
  }

  /** A connection that is over leaves the books. */
  forget(session: Session): void {
    this.sessions.delete(session);
    session.returned();
    this.#real?.remove(session.connection);
  }

  /** What connections were opened with may lead nowhere by now: those to come are not opened before it was asked for again. */
  doubtSettings(): void {
    this.#doubts++;
  }

  /** Connections opened so far are not lent again: idle ones are closed now, busy ones when they come back. */
  evict(): void {
    this.epoch++;
    this.doubtSettings();
    for (const session of this.sessions) {
      if (this.keeps(session)) session.epoch = this.epoch;
      else if (!session.lent) void this.discard(session);
    }
  }

  /** Lends a connection for this package's own use; it is given back with `release()`. */
  async borrow(): Promise<Session> {
    const connection = await this.acquire().promise;
    return sessionOf(connection) as Session;
  }

  get #tarn(): TarnPool | undefined {
    return this.host.isExternal ? undefined : (this.#real as TarnPool | undefined);
  }

  #current(): RealPool {
    if (!this.#real) {
      const tarn = this.host.build();
      for (const [event, listener] of this.#listeners) tarn.on(event, listener);
      this.#real = tarn;
    }
    return this.#real;
  }

  /** What knex's own making, checking and closing of connections is wrapped in. */
  readonly guards: Guards = {
    create: (make) => {
      const creating = this.#create(make);
      this.#creating.add(creating);
      const done = () => void this.#creating.delete(creating);
      creating.then(done, done);
      return creating;
    },
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

  async #create(make: () => Promise<object>): Promise<object> {
    // The stamp is that of the moment when the opening starts: what is open by the end of a reset is not for those who come after.
    const stamp = { generation: this.generation, epoch: this.epoch };
    const real = this.#real;
    let connection: object;
    try {
      connection = await this.#make(make);
    } catch (error) {
      if (this.#isWantedAgain(stamp, real)) return this.#create(make);
      throw error;
    }
    const session = this.#track(connection, stamp);
    await this.host.opened(connection);
    if (this.generation === stamp.generation) return connection;
    await this.discard(session);
    if (this.#isWantedAgain(stamp, real)) return this.#create(make);
    throw new Error('opened for a generation that a reset has ended');
  }

  /** A reset that kept the pool has ended an opening that somebody relies on who asked after it. */
  #isWantedAgain({ generation }: { generation: number }, real: RealPool | undefined): boolean {
    const isOurs = real !== undefined && real === this.#real && generation !== this.generation;
    return isOurs && this.#gate === undefined && this.#waiters.size > 0;
  }

  async #make(make: () => Promise<object>): Promise<object> {
    const doubts = this.#doubts;
    try {
      const connection = await (doubts > this.#settled ? this.host.makeAfresh(make) : make());
      this.#settled = Math.max(this.#settled, doubts);
      return connection;
    } catch (error) {
      this.doubtSettings();
      throw error;
    }
  }

  #track(connection: object, stamp: { generation: number; epoch: number } = this): Session {
    this.openings.delete(connection);
    const { host } = this;
    const session = new Session(connection, host.driver, stamp, {
      onDeath: (dying, error) => {
        host.onDeath(dying, error);
        if (!dying.lent) void this.discard(dying);
      },
      onError: host.onError,
    });
    this.sessions.add(session);
    return session;
  }

  #isCurrent(session: Session): boolean {
    return session.generation === this.generation && session.epoch === this.epoch;
  }

  #lend(connection: object, waiter: Waiter): object | Promise<object> {
    this.#waiters.delete(waiter);
    if (waiter.fate !== undefined) {
      // A reset came when the real pool had already given it a connection.
      this.#real?.release(connection);
      return this.#refuse(waiter.fate, waiter);
    }
    const session = sessionOf(connection) ?? this.#track(connection);
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
    if (!session?.isClean || !this.#isCurrent(session) || isDisposed(connection)) return false;
    return !this.host.needsCheck(session);
  };

  #refuse(error: unknown, waiter: Waiter): Promise<object> {
    this.#waiters.delete(waiter);
    if (error === AGAIN) return this.#askLater();
    return this.host.explain(error);
  }

  async #askLater(): Promise<object> {
    if (this.#isClosed) throw new Error('Unable to acquire a connection');
    this.#parked++;
    try {
      while (this.#gate !== undefined) await this.#gate.promise;
    } finally {
      this.#parked--;
    }
    if (this.#isClosed) throw new Error('Unable to acquire a connection');
    return this.acquire().promise;
  }

  #takeBack(session: Session): boolean {
    session.returned();
    if (this.host.isExternal) {
      this.sessions.delete(session);
      session.untap();
    }
    return this.#real?.release(session.connection) ?? false;
  }

  /** A doubtful connection is never lent as it is: it comes to rest and out of its transaction within a bound, or is closed. */
  async #tidyUp(session: Session): Promise<void> {
    if (session.closing !== undefined) return;
    const { timeoutMillis } = this.host;
    const keeps = this.keeps(session);
    if (keeps || (!session.doomed && session.death === undefined && this.#isCurrent(session))) {
      await within(timeoutMillis, comeToRest(session, new Deadline(timeoutMillis)));
    }
    if (session.closing !== undefined) return;
    // A reset came meanwhile, and has it now.
    if (session.isTaken) return session.givenBack();
    if (keeps) session.accept(this.generation);
    if (session.isClean && this.#isCurrent(session)) this.#takeBack(session);
    else void this.discard(session);
  }
}

/** Longest wait for what its borrower left running, before it is cancelled: an answer that is under way needs no cancel. */
const LAST_ANSWER_MILLIS = 50;

async function comeToRest(session: Session, deadline: Deadline): Promise<void> {
  const { driver, connection } = session;
  await within(LAST_ANSWER_MILLIS, session.whenQuiet());
  await session.stop(deadline);
  const status = driver.status(connection);
  if (status === 'open' || status === 'failed') await session.send('ROLLBACK');
}
