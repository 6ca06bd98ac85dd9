// A connection as it is lent, seized by a reset and closed: it has one state at a time, and one lease for each borrow.
import type { PendingStatement } from '../drivers/pending-statement';
import type { QueryOrigin } from '../words/call-site';
import type { SharedWork } from '../words/shared-work';
import { Health } from './health';
import { type ConnectionUser, Lease } from './lease';
import { type Mutex, NO_MUTEX } from './mutex';
import { type ConnectionState, checkMove, type Ending, FOREIGN, IDLE, LENT, SEIZED, type Stamp } from './state';
import { StatementQueue } from './statement-queue';

export abstract class Lendable extends StatementQueue {
  stamp: Stamp;
  readonly health = new Health();
  #state: ConnectionState = IDLE;
  /** Undefined: it is idle, and was not used without a borrow. */
  #lease: Lease | undefined;
  #idleSince = Date.now();

  constructor(raw: object, driver: StatementQueue['driver'], stamp: Stamp) {
    super(raw, driver);
    this.stamp = stamp;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Of its borrower, or the record of use without one. */
  get lease(): Lease {
    this.#lease ??= new Lease(false);
    return this.#lease;
  }

  get idleSince(): number {
    return this.#idleSince;
  }

  /** The only writer of its state. */
  #move(to: ConnectionState): void {
    checkMove(this.#state.is, to.is);
    this.#state = to;
  }

  lend(askedAt?: QueryOrigin): void {
    this.#move(LENT);
    this.#lease = new Lease(true, askedAt);
    // That was the earlier borrower's.
    this.lastSql = undefined;
  }

  /** The user has opened it, and keeps it. */
  leaveToUser(): void {
    this.#move(FOREIGN);
  }

  /** It is for the next borrower. */
  returned(): void {
    this.#move(IDLE);
    // It may have megabytes. A transaction's is its COMMIT or ROLLBACK, and told of once it has given the connection back.
    if (!this.user) this.lastSql = undefined;
    this.#endLease();
    this.#idleSince = Date.now();
  }

  /** A reset takes it, also from its borrower. One that is being closed stays so. */
  seize(): void {
    const state = this.#state;
    if (state.is === 'closing') this.#move({ ...state, isSeized: true });
    else if (state.is !== 'seized' && state.is !== 'closed') this.#move(SEIZED);
  }

  /** What its borrower does where a reset has it. */
  givenBack(): void {
    this.#lease?.end();
  }

  /** A reset is done with it, and its borrower still has it. */
  leaveToBorrower(): void {
    this.#move(LENT);
  }

  /** Begins to close it. Returns the work, which is one for all that close it. */
  close(work: () => SharedWork<Ending>): SharedWork<Ending> {
    const { closing, isSeized } = this;
    if (closing) return closing;
    const begun = work();
    this.#move({ is: 'closing', work: begun, isSeized });
    return begun;
  }

  closed(): void {
    const state = this.#state;
    if (state.is !== 'closing') return checkMove(state.is, 'closed');
    this.#move({ ...state, is: 'closed' });
    this.#endLease();
  }

  #endLease(): void {
    this.#lease?.end();
    this.#lease = undefined;
  }

  /** Lent out, as opposed to idle in the pool: its borrower has it, or had it when a reset took it. */
  get lent(): boolean {
    return this.#lease?.isBorrowed === true;
  }

  /** Its borrower gave it back while a reset had it. */
  get isGivenBack(): boolean {
    return this.lent && this.lease.isOver;
  }

  /** A reset has taken it, to clean it or to close it. */
  get isSeized(): boolean {
    const state = this.#state;
    return state.is === 'seized' || ('isSeized' in state && state.isSeized);
  }

  /** The work of closing it, once that has begun. */
  get closing(): SharedWork<Ending> | undefined {
    return 'work' in this.#state ? this.#state.work : undefined;
  }

  get user(): ConnectionUser | undefined {
    return this.#lease?.user;
  }

  set user(user: ConnectionUser | undefined) {
    if (user !== this.user) this.lease.user = user;
  }

  get mutex(): Mutex {
    return this.#lease?.mutex ?? NO_MUTEX;
  }

  /** It is not to be lent again as it is. */
  doubt(): void {
    this.health.doubt();
  }

  get fatal(): Error | undefined {
    return this.health.fatal;
  }

  get death(): Error | undefined {
    return this.health.death;
  }

  /** Between transactions, with nothing running, and not known to be dead: fit for the next borrower. */
  get isClean(): boolean {
    if (!this.isQuiet || this.isEnded || !this.health.isSound) return false;
    if (this.driver.isInStep?.(this.raw) === false || this.driver.isAltered?.(this.raw)) return false;
    const status = this.driver.status(this.raw);
    return status === 'idle' || status === 'unknown';
  }

  /** Its transaction gives it back. A user that is still inside keeps it from the next borrower. */
  leave(isHeldByHand: boolean, refusal: () => Error): void {
    if (isHeldByHand || this.#lease?.leave(refusal) === false) this.doubt();
  }

  protected override undelivered(): void {
    this.doubt();
  }

  /** Takes new statements again, after a reset has washed it. */
  accept(stamp: Stamp): void {
    this.open();
    this.stamp = stamp;
    this.health.clear();
    this.user = undefined;
  }

  /** It is gone or going. */
  abstract died(error: Error): void;

  override ask(statement: PendingStatement): void {
    if (statement.isStream) this.lease.hadStream = true;
    super.ask(statement, this.mutex.isShared ? undefined : this.user?.refuseStatement());
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

  /** A statement failed, one of this package's own as well. */
  protected abstract failed(error: unknown): void;
}
