// One raw connection from opening to end: who holds it, whether it may be trusted. What is sent on it is in traffic.ts.
import type { Driver, Flight, Line } from '../drivers/driver';
import { type Deferred, defer } from '../waiting';
import type { Asked } from './ambient';
import { Traffic } from './traffic';
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

/** On the connection itself: what a WeakMap knows lives until the next full collection, and this is asked for with each query. */
const SESSION = Symbol('knex-reset.session');

/** The session of a raw connection, if it has one now. */
export function sessionOf(connection: object): Session | undefined {
  return (connection as { [SESSION]?: Session })[SESSION];
}

/** A server's FATAL has an SQLSTATE; a broken socket has the name of a system error. */
function isSaidByServer(error: Error & { code?: unknown }): boolean {
  return typeof error.code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(error.code);
}

export class Session extends Traffic implements Line {
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
  /** How many have it who were inside its transaction, which is over: they may use it, and give it back. */
  heldByHand = 0;
  idleSince = this.openedAt;
  /** Idle, and asked whether it is still there. */
  isChecked = false;
  tenant: Tenant | undefined;
  /** Where the statement or transaction that borrowed it was asked, while that is recorded. */
  askedAt: Asked | undefined;
  /** The fatal error that a statement had on it. */
  fatal: Error | undefined;
  /** Why the connection is gone, once it is. */
  death: Error | undefined;
  /** The socket broke while a statement ran: the server may go on with it, and keep its locks. */
  mayWorkOn = false;
  closing: Promise<'ended' | 'forced'> | undefined;
  /** A reset has it: what its borrower does with it does not count any more. */
  isTaken = false;
  /** Its borrower gave it back while a reset had it. */
  isGivenBack = false;

  readonly #events: SessionEvents;
  readonly #untap: () => void;
  #returned: Deferred<void> | undefined;
  #ended: Deferred<void> | undefined;

  constructor(connection: object, driver: Driver, stamp: { generation: number; epoch: number }, events: SessionEvents) {
    super(connection, driver);
    this.generation = stamp.generation;
    this.epoch = stamp.epoch;
    this.#events = events;
    this.#untap = driver.tap(connection, this);
    Object.defineProperty(connection, SESSION, { value: this, configurable: true });
  }

  get backendId(): number | undefined {
    return this.driver.backendId(this.connection);
  }

  /** Between transactions, with nothing running, and not known to be dead: fit for the next borrower. */
  get isClean(): boolean {
    if (!this.isQuiet || this.death !== undefined || this.doomed) return false;
    const status = this.driver.status(this.connection);
    return status === 'idle' || status === 'unknown';
  }

  /** Resolves when the socket is closed. */
  whenEnded(): Promise<void> {
    if (this.isEnded) return Promise.resolve();
    this.#ended ??= defer();
    return this.#ended.promise;
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
    this.heldByHand = 0;
    this.tenant = undefined;
    this.askedAt = undefined;
    this.hadStream = false;
    this.idleSince = Date.now();
    this.#returned?.resolve();
    this.#returned = undefined;
  }

  /** Somebody inside its transaction, or left over from it, has it. */
  get isHeldInside(): boolean {
    return this.guests.length + this.heldByHand > 0;
  }

  /** Its transaction gives it back. Who is still inside keeps it from the next borrower. */
  leave(refusal: () => Error): void {
    if (this.guests.length === 0) return;
    this.heldByHand = this.guests.length;
    this.guests.length = 0;
    this.doomed = true;
    this.turns?.close(refusal());
  }

  override refuse(error: Error): void {
    super.refuse(error);
    this.turns?.close(error);
  }

  protected override abandon(error: Error): void {
    super.abandon(error);
    this.turns?.close(error);
  }

  protected override heard(flight: Flight | undefined, error: unknown, result: unknown): unknown {
    if (error !== null && error !== undefined) this.failed(error);
    return this.tenant && flight ? this.tenant.answered(flight.sql, error, result) : error;
  }

  protected override failed(error: unknown): void {
    this.#events.onError(this, error);
  }

  protected override awaitReady(sql: string): () => void {
    const { tenant } = this;
    return () => {
      if (tenant !== undefined && tenant === this.tenant) tenant.readied(sql);
    };
  }

  hasFailed(error: unknown): void {
    this.failed(error);
  }

  died(error: Error): void {
    if (this.death !== undefined) return;
    // The server's own FATAL says more than the socket that closes after it.
    this.death = this.fatal ?? error;
    // A backend looks at its socket only when its statement is done.
    this.mayWorkOn = this.isBusy && !this.tenant?.isCommitting && !isSaidByServer(this.death);
    if (this.refusal === undefined) this.#events.onDeath(this, this.death);
    this.abandon(this.death);
    this.tenant?.lost(this.death);
  }

  ended(): void {
    if (this.closing === undefined) this.died(new Error('Connection terminated unexpectedly'));
    this.end();
    this.#ended?.resolve();
  }

  /** Takes new statements again, after a reset has washed it. */
  accept(generation: number): void {
    this.open();
    this.generation = generation;
    this.doomed = false;
    this.tenant = undefined;
  }

  /** Gives the connection back as it was found. */
  untap(): void {
    this.#untap();
    delete (this.connection as { [SESSION]?: Session })[SESSION];
  }
}
