// One raw connection from opening to end: what is asked on it, who holds it, whether it may be trusted.
import type { Driver, Flight, Line, TransactionStatus } from '../drivers/driver';
import { type Deadline, type Deferred, defer, within } from '../waiting';
import type { Asked } from './ambient';
import type { Turns } from './turns';

/** The transaction on a connection, as the connection sees it. */
export interface Tenant {
  /** Somebody else took the connection, and gives it back. */
  readonly isGiven: boolean;
  /** COMMIT is under way: it is done soon, with or without us. */
  readonly isCommitting: boolean;
  /** A statement was answered; returns the error that its asker shall get. */
  answered(sql: string, error: unknown, result: unknown): unknown;
  /** The connection is ready again after a statement failed: only now is its status known. */
  readied(sql: string): void;
  /** The connection is gone. */
  lost(error: Error): void;
}

export interface SessionEvents {
  /** The connection is gone, or about to go, without having been asked to. */
  onDeath(session: Session, error: Error): void;
  /** A statement failed. */
  onError(session: Session, error: unknown): void;
}

/** How long a CancelRequest may take to have its effect before another is sent. */
const CANCEL_AGAIN_MILLIS = 100;

const sessions = new WeakMap<object, Session>();

/** The session of a raw connection, if it has one now. */
export function sessionOf(connection: object): Session | undefined {
  return sessions.get(connection);
}

/** A server's FATAL has an SQLSTATE; a broken socket has the name of a system error. */
function isSaidByServer(error: Error & { code?: unknown }): boolean {
  return typeof error.code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(error.code);
}

export class Session implements Line {
  readonly connection: object;
  readonly driver: Driver;
  readonly openedAt = Date.now();
  /** The reset count when its opening started: an older one than the pool's is never lent again. */
  generation: number;
  /** The eviction count when its opening started. */
  epoch: number;
  /** Lent out, as opposed to idle in the pool. */
  lent = false;
  lentAt = 0;
  /** Queries that run inside its borrower's transaction: what each of them does when it is done. */
  readonly guests: (() => void)[] = [];
  /** One at a time, in a sandbox. */
  turns: Turns | undefined;
  idleSince = this.openedAt;
  tenant: Tenant | undefined;
  /** Where the statement or transaction that borrowed it was asked, while that is recorded. */
  askedAt: Asked | undefined;
  lastSql: string | undefined;
  /** The fatal error that a statement had on it. */
  fatal: Error | undefined;
  /** Why the connection is gone, once it is. */
  death: Error | undefined;
  /** The socket broke while a statement ran: the server may go on with it, and keep its locks. */
  mayWorkOn = false;
  /** Never to be lent again, though it may still work. */
  doomed = false;
  closing: Promise<'ended' | 'forced'> | undefined;
  /** A reset has it: what its borrower does with it does not count any more. */
  isTaken = false;
  /** Its borrower gave it back while a reset had it. */
  isGivenBack = false;
  /** A stream was read on it by the present borrower. */
  hadStream = false;

  readonly #events: SessionEvents;
  readonly #untap: () => void;
  readonly #flights: Flight[] = [];
  /** The first of them is with the driver. */
  #isFlying = false;
  /** Told to stop, not yet ready for the next statement. */
  #pausing: Promise<void> | undefined;
  #cancelling: Promise<void> | undefined;
  /** Statements of this package's own that are under way. */
  #sending = 0;
  #refusal: Error | undefined;
  #quiet: Deferred<void> | undefined;
  #returned: Deferred<void> | undefined;
  #isEnded = false;
  readonly #ended = defer();
  /** Resolves when the socket is closed. */
  readonly whenEnded = this.#ended.promise;

  constructor(connection: object, driver: Driver, stamp: { generation: number; epoch: number }, events: SessionEvents) {
    this.connection = connection;
    this.driver = driver;
    this.generation = stamp.generation;
    this.epoch = stamp.epoch;
    this.#events = events;
    this.#untap = driver.tap(connection, this);
    sessions.set(connection, this);
  }

  get backendId(): number | undefined {
    return this.driver.backendId(this.connection);
  }

  /** Of the transaction on it. True only while nothing runs. */
  get status(): TransactionStatus {
    return this.driver.status(this.connection);
  }

  /** Statements asked and not answered, the one with the driver included. */
  get running(): number {
    return this.#flights.length;
  }

  get isQuiet(): boolean {
    return (
      this.#flights.length === 0 && this.#sending === 0 && this.#pausing === undefined && this.#cancelling === undefined
    );
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Set: nothing more is sent on this connection. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  /** Between transactions, with nothing running, and not known to be dead: fit for the next borrower. */
  get isClean(): boolean {
    if (!this.isQuiet || this.death !== undefined || this.doomed) return false;
    const status = this.driver.status(this.connection);
    return status === 'idle' || status === 'unknown';
  }

  /** Resolves when its borrower gives it back, or it is closed. */
  whenReturned(): Promise<void> {
    if (!this.lent || this.isGivenBack) return Promise.resolve();
    this.#returned ??= defer();
    return this.#returned.promise;
  }

  /** What its borrower does where a reset has it. */
  givenBack(): void {
    this.isGivenBack = true;
    this.#returned?.resolve();
    this.#returned = undefined;
  }

  returned(): void {
    this.lent = false;
    this.isGivenBack = false;
    if (this.guests.length > 0) this.guests.length = 0;
    this.turns = undefined;
    this.tenant = undefined;
    this.askedAt = undefined;
    this.hadStream = false;
    this.idleSince = Date.now();
    this.#returned?.resolve();
    this.#returned = undefined;
  }

  /** Resolves when nothing runs on it any more, be it because the connection ended. */
  whenQuiet(): Promise<void> {
    if (this.isQuiet || this.#isEnded) return Promise.resolve();
    this.#quiet ??= defer();
    return this.#quiet.promise;
  }

  ask(flight: Flight): void {
    if (this.#refusal !== undefined) {
      const refusal = this.#refusal;
      process.nextTick(() => flight.abort(refusal));
      return;
    }
    this.lastSql = flight.sql;
    if (flight.isStream) this.hadStream = true;
    this.#flights.push(flight);
    // One statement at a time: pg warns about a second one on a busy client, and will refuse it from version 9.
    if (this.#flights.length === 1 && this.#pausing === undefined) this.#start(flight);
  }

  answered(error: unknown, result: unknown, ready: Promise<void> | undefined): unknown {
    const flight = this.#flights.shift();
    this.#isFlying = false;
    if (ready) this.#pauseUntil(ready, flight?.sql ?? '');
    let told = error;
    if (error !== null && error !== undefined) this.#events.onError(this, error);
    if (this.tenant && flight) told = this.tenant.answered(flight.sql, error, result);
    return told;
  }

  hasFailed(error: unknown): void {
    this.#events.onError(this, error);
  }

  next(): void {
    if (this.#pausing !== undefined) return;
    const flight = this.#flights[0];
    if (flight) this.#start(flight);
    else if (this.isQuiet) this.#quieten();
  }

  died(error: Error): void {
    if (this.death !== undefined) return;
    // The server's own FATAL says more than the socket that closes after it.
    this.death = this.fatal ?? error;
    // A backend looks at its socket only when its statement is done.
    const isBusy = this.#flights.length + this.#sending > 0 && !this.tenant?.isCommitting;
    this.mayWorkOn = isBusy && !isSaidByServer(this.death);
    if (this.#refusal === undefined) this.#events.onDeath(this, this.death);
    this.#refusal ??= this.death;
    // Those that the driver has not seen yet would wait for ever.
    this.dropWaiting(this.#refusal);
    this.endStream(this.#refusal);
    this.tenant?.lost(this.death);
  }

  ended(): void {
    if (this.closing === undefined) this.died(new Error('Connection terminated unexpectedly'));
    this.#isEnded = true;
    this.#pausing = undefined;
    this.#quieten();
    this.#ended.resolve();
  }

  /** Sends a statement of this package's own, outside of the queue. */
  send(sql: string): Promise<unknown> {
    return this.runOwn(() => this.driver.send(this.connection, sql));
  }

  /** Sends statements of this package's own, up to the first that fails: in one message where the driver can. */
  async sendAll(statements: string[]): Promise<void> {
    if (this.driver.takesScripts) await this.send(statements.join('; '));
    else for (const sql of statements) await this.send(sql);
  }

  /** Counts work of this package's own on the connection as a statement that runs. */
  async runOwn<T>(work: () => Promise<T>): Promise<T> {
    this.#sending++;
    try {
      return await work();
    } catch (error) {
      this.#events.onError(this, error);
      throw error;
    } finally {
      this.#sending--;
      if (this.isQuiet) this.#quieten();
    }
  }

  /**
   * Asks the server to stop the running statement. Until the request is delivered the connection is not quiet:
   * it would stop the next borrower's statement as well. One that cannot be delivered in time dooms the connection.
   */
  cancel(timeoutMillis: number): Promise<void> {
    this.#cancelling ??= this.#cancel(timeoutMillis);
    return this.#cancelling;
  }

  /** Cancels what runs until nothing does, or the time is up: a request can overtake the statement that it was meant for. */
  async stop(deadline: Deadline): Promise<void> {
    while (!this.isQuiet && !this.#isEnded && deadline.leftMillis > 0) {
      await this.cancel(deadline.leftMillis);
      await within(Math.min(CANCEL_AGAIN_MILLIS, deadline.leftMillis), this.whenQuiet());
    }
  }

  /** Nothing more is sent: whoever asked or asks something is told `error`. What the server runs, runs on until it is cancelled. */
  refuse(error: Error): void {
    this.#refusal = error;
    const flying = this.#isFlying ? this.#flights[0] : undefined;
    this.dropWaiting(error);
    flying?.abort(error);
  }

  /** Tells those whose statement was not sent yet that it never will be. */
  dropWaiting(error: Error): void {
    for (const flight of this.#flights.splice(this.#isFlying ? 1 : 0)) flight.abort(error);
  }

  /** A stream whose reader has stopped waits on the server for nothing but the reader: there is nothing to cancel. */
  endStream(error: Error): void {
    const flying = this.#isFlying ? this.#flights[0] : undefined;
    if (flying?.isStream) flying.abort(error);
  }

  /** Takes new statements again, after a reset has washed it. */
  accept(generation: number): void {
    this.#refusal = undefined;
    this.generation = generation;
    this.doomed = false;
    this.tenant = undefined;
  }

  /** Gives the connection back as it was found. */
  untap(): void {
    this.#untap();
    sessions.delete(this.connection);
  }

  async #cancel(timeoutMillis: number): Promise<void> {
    const isDelivered = await this.driver.cancel(this.connection, timeoutMillis);
    this.#cancelling = undefined;
    if (!isDelivered) this.doomed = true;
    if (this.isQuiet) this.#quieten();
  }

  #start(flight: Flight): void {
    this.#isFlying = true;
    flight.start();
  }

  #pauseUntil(ready: Promise<void>, sql: string): void {
    const { tenant } = this;
    this.#pausing = ready;
    void ready.then(() => {
      if (this.#pausing !== ready) return;
      this.#pausing = undefined;
      if (tenant !== undefined && tenant === this.tenant) tenant.readied(sql);
      this.next();
    });
  }

  #quieten(): void {
    this.#quiet?.resolve();
    this.#quiet = undefined;
  }
}
