// One raw connection from opening to end: its holder, and whether it may be trusted. What is sent on it is in statement-queue.ts.
import type { Driver, PendingStatement, StatementSink } from '../drivers/driver';
import { type Deferred, defer, type SharedWork } from '../words/waiting';
import { endsSession } from '../drivers/error-codes';
import { step } from '../words/foreign';
import type { QueryOrigin } from '../words/call-site';
import type { ConnectionUser } from './connection-user';
import { StatementQueue } from './statement-queue';
import { type Mutex, NO_MUTEX } from './mutex';

export interface SessionEvents {
  /** The connection is gone, or about to go, without having been asked to. */
  onDeath(connection: Connection, error: Error): void;
  /** A statement failed. */
  onError(connection: Connection, error: unknown): void;
}

/** On the connection itself: what a WeakMap knows lives until the next full collection, and this is asked for with each query. */
const SESSION = Symbol('knex-reset.session');

/** The session of a raw connection, if it has one now. */
export function connectionOf(raw: object): Connection | undefined {
  return (raw as { [SESSION]?: Connection })[SESSION];
}

/** How it was closed: in an orderly way, or terminated or cut. */
export type Ending = 'ended' | 'forced';

export class Connection extends StatementQueue implements StatementSink {
  readonly openedAt = Date.now();
  readonly #openedAtTick = performance.now();
  /** The server's id of the session. */
  readonly backendId: number | undefined;
  /** The reset count when its opening started: an older one than the pool's is never lent again. */
  generation: number;
  /** The eviction count when its opening started. */
  evictionCount: number;
  /** Lent out, as opposed to idle in the pool. */
  lent = false;
  lentAt = 0;
  /** Queries that run inside its borrower's transaction: what each of them does when it is done. */
  readonly guests: (() => void)[] = [];
  /** Decides which code may send on it now. */
  mutex: Mutex = NO_MUTEX;
  /** How many users from inside its transaction still have it after the end: they may use it, and give it back. */
  heldByHand = 0;
  idleSince = this.openedAt;
  /** Idle, and asked whether it is still there. */
  isChecked = false;
  user: ConnectionUser | undefined;
  /** Where the statement or transaction that borrowed it was asked, while that is recorded. */
  askedAt: QueryOrigin | undefined;
  /** The fatal error that a statement had on it. */
  fatal: Error | undefined;
  /** Why the connection is gone, once it is. */
  death: Error | undefined;
  /** It was lost while COMMIT was under way. */
  diedInCommit = false;
  /** It was told that it is not needed any more: if the server closes it now, that is its answer. */
  saidGoodbye = false;
  closing: SharedWork<Ending> | undefined;
  /** A reset has it: what its borrower does with it does not count any more. */
  seized = false;
  /** Its borrower gave it back while a reset had it. */
  isGivenBack = false;

  #isClosedByServer = false;
  /** Of the instance that has lent it to this one, where both share a pool. */
  readonly #earlier: Connection | undefined;
  readonly #events: SessionEvents;
  readonly #untap: () => void;
  #returned: Deferred<void> | undefined;
  #ended: Deferred<void> | undefined;

  constructor(
    raw: object,
    driver: Driver,
    stamp: { generation: number; evictionCount: number },
    events: SessionEvents,
  ) {
    super(raw, driver);
    this.generation = stamp.generation;
    this.evictionCount = stamp.evictionCount;
    this.#events = events;
    this.backendId = driver.backendId(raw);
    this.#untap = driver.tap(raw, this);
    this.#earlier = connectionOf(raw);
    Object.defineProperty(raw, SESSION, { value: this, configurable: true });
  }

  /** How long it is known to be open, by a monotonic clock. */
  get ageMillis(): number {
    return performance.now() - this.#openedAtTick;
  }

  /**
   * The server has let go of it: it has said so, or closed it in answer to a goodbye. Any other end of a socket proves nothing,
   * because something between may have forgotten the connection: the server then keeps the session with its locks.
   */
  get hasLetGo(): boolean {
    return this.#isClosedByServer || endsSession(this.death);
  }

  /** Between transactions, with nothing running, and not known to be dead: fit for the next borrower. */
  get isClean(): boolean {
    if (!this.isQuiet || this.death !== undefined || this.doomed) return false;
    if (this.driver.isInStep?.(this.raw) === false) return false;
    const status = this.driver.status(this.raw);
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
    this.mutex = NO_MUTEX;
    this.heldByHand = 0;
    this.user = undefined;
    this.askedAt = undefined;
    this.hadStream = false;
    this.idleSince = Date.now();
    this.#returned?.resolve();
    this.#returned = undefined;
  }

  /** Code inside its transaction, or left over from it, has it. */
  get isHeldInside(): boolean {
    return this.guests.length + this.heldByHand > 0 || this.user?.isHeldByHand === true;
  }

  /** Its transaction gives it back. A user that is still inside keeps it from the next borrower. */
  leave(isHeldByHand: boolean, refusal: () => Error): void {
    if (isHeldByHand) this.doomed = true;
    if (this.guests.length === 0) return;
    this.heldByHand = this.guests.length;
    this.guests.length = 0;
    this.doomed = true;
    this.mutex.close(refusal());
  }

  override refuse(error: Error): void {
    super.refuse(error);
    this.mutex.close(error);
  }

  protected override abandon(error: Error): void {
    super.abandon(error);
    this.mutex.close(error);
  }

  protected override heard(statement: PendingStatement | undefined, error: unknown, result: unknown): unknown {
    if (error !== null && error !== undefined) this.failed(error);
    return this.user && statement && !statement.isOwn ? this.user.answered(statement.sql, error, result) : error;
  }

  protected failed(error: unknown): void {
    step(() => this.#events.onError(this, error));
  }

  protected override awaitReady(sql: string, error: unknown): () => void {
    const { user } = this;
    return () => {
      if (user !== undefined && user === this.user) step(() => user.readied(sql, error));
    };
  }

  hasFailed(error: unknown): void {
    this.failed(error);
  }

  died(error: Error): void {
    if (this.death !== undefined) return;
    // The server's own FATAL says more than the socket that closes after it.
    this.death = this.fatal ?? error;
    this.diedInCommit = this.user?.isCommitting ?? false;
    const { death } = this;
    if (this.refusal === undefined) step(() => this.#events.onDeath(this, death));
    this.abandon(death);
    step(() => this.user?.lost(death));
  }

  ended(isOrderly: boolean): void {
    this.#isClosedByServer = isOrderly && this.saidGoodbye;
    if (this.closing === undefined) this.died(new Error('Connection terminated unexpectedly'));
    this.end();
    this.#ended?.resolve();
  }

  /** Takes new statements again, after a reset has washed it. */
  accept(generation: number): void {
    this.open();
    this.generation = generation;
    this.doomed = false;
    this.user = undefined;
  }

  /** Gives the connection back as it was found. */
  untap(): void {
    step(this.#untap);
    if (this.#earlier) Object.defineProperty(this.raw, SESSION, { value: this.#earlier, configurable: true });
    else delete (this.raw as { [SESSION]?: Connection })[SESSION];
  }
}
