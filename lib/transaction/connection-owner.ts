// A transaction that has a connection of its own: how it gets it and gives it back, and what the answers on it mean.
import type { ConnectionUser } from '../connection/lease';
import { isCancelled } from '../drivers/fatal-errors';
import type { OpenEntry } from '../pool/open-entry';
import { shown } from '../words/describe';
import { BlockControlError, KnexResetError } from '../words/errors';
import { inBackground } from '../words/foreign';
import { nextTurn } from '../words/waiting';
import type { Enclosing } from './enclosing';
import { hasTurn } from './control-statements';
import { ControlledTransaction } from './controlled-transaction';
import { type EndingStatement, ServerView, type Verdict } from './server-view';

/** Schema changes, on MySQL. */
const COMMITS_BY_ITSELF = 'which this database commits before and after by itself';

/** What one is made from. */
export type OwnerDetails = ConstructorParameters<typeof ControlledTransaction>[0];

export abstract class ConnectionOwner extends ControlledTransaction implements ConnectionUser, OpenEntry {
  readonly view = new ServerView();
  /** It uses a connection that it was given: the code that took the connection gives it back. */
  usesCallersConnection = false;
  #hasGivenBack = false;
  /** How often it was taken inside, and not given back. */
  #taken = 0;
  #earlierUser: ConnectionUser | undefined;
  /** How many calls for a reset there had been when it was made. */
  readonly #resets: number;

  constructor(details: OwnerDetails) {
    super(details);
    this.#resets = details.instance.resets.calls;
  }

  // Its connection.

  get hasConnection(): boolean {
    return this.connection?.user === this;
  }

  get isHeldByHand(): boolean {
    return this.#taken > 0;
  }

  get ownsConnection(): boolean {
    return !this.usesCallersConnection;
  }

  /** Where it was begun without this package, knex gives it back. */
  get keepsConnection(): boolean {
    return this.ownsConnection && !this.isAdopted && !this.#hasGivenBack;
  }

  get isReadOnly(): boolean {
    return this.port.trx.readOnly === true;
  }

  /** Called right before a connection is acquired. Throws ResetError if a reset that rejects waiters was called for since this transaction was created. */
  ask(given?: object): Promise<void> | undefined {
    const { resets, pool } = this.instance;
    resets.refuseEarlier(this.#resets);
    return given && pool.whenFree(given);
  }

  acquired(raw: object, usesCallersConnection = false): void {
    const { instance } = this;
    this.usesCallersConnection = usesCallersConnection;
    this.connection = instance.pool.register.given(raw);
    this.#earlierUser = this.connection.user;
    this.connection.user = this;
    instance.opened(this);
    instance.begun(this);
    this.beginning();
  }

  taken(): void {
    this.#taken++;
  }

  /** Knex gives the connection of a stream back twice. */
  givenBack(): void {
    if (this.#taken > 0) this.#taken--;
  }

  giveBack(raw: object): void {
    this.#hasGivenBack = true;
    // A reset may have given the connection to another user.
    if (this.connection?.user !== this) return;
    this.connection.leave(this.isHeldByHand, () => this.refusal?.error as Error);
    inBackground(this.port.trx.client.releaseConnection(raw));
  }

  override ended(failure: { error: unknown } | undefined): unknown {
    const { connection } = this;
    if (connection?.user === this) {
      // It was told which connection to use: that has its earlier user again.
      connection.user = this.#earlierUser;
      if (connection.state.is === 'foreign') inBackground(this.instance.pool.register.letGoForeign(connection));
    }
    return super.ended(failure);
  }

  leaveParent(): void {}

  // From the connection.

  refuseStatement(): Error | undefined {
    const refusal = this.view.endedBy && this.refuse();
    return refusal && this.#own(refusal.error);
  }

  /** A statement was answered. Returns the error that its asker gets. */
  answered(sql: string, error: unknown, result: unknown): unknown {
    const { connection, view, isOpen } = this;
    const hasFailed = error !== null && error !== undefined;
    const verdict = hasFailed
      ? view.failed(connection, { sql, error }, this.instance.isFatal(error))
      : view.succeeded(connection, isOpen, { sql, result });
    if (verdict && isOpen) this.follow(verdict);
    if (hasFailed && isCancelled(error)) this.#explain(error as { cause?: unknown });
    return error;
  }

  /** A server does not know why a statement was cancelled. */
  #explain(error: { cause?: unknown }): void {
    const ending = [this, ...this.openInside()].find((each) => each.state.is === 'rollingBack' && hasTurn(each));
    if (ending) error.cause ??= ending.failure(`transaction ${ending.name} was rolled back while it ran`, undefined);
  }

  readied(sql: string, error: unknown): void {
    const { connection, view } = this;
    if (!this.isHeard || connection.refusal !== undefined) return;
    const verdict = view.readied(connection, { sql, error });
    if (verdict) this.follow(verdict);
  }

  /** What the server says of it matters: while it is rolled back too, since what a statement has stored before is not undone. */
  protected get isHeard(): boolean {
    return this.isOpen || this.state.is === 'rollingBack';
  }

  protected follow(verdict: Verdict): void {
    if (verdict.is === 'fatal') return this.doom(verdict.error);
    if (verdict.is === 'endedByServer') {
      const message = `the server rolled transaction ${this.name} back when a statement in it failed`;
      this.doom(this.failure(message, verdict.error));
    } else {
      this.endedByUser(verdict.by);
    }
    // What waits behind that statement would be stored at once, each for itself.
    if (this.refusal) this.connection.dropWaiting(this.#own(this.refusal.error));
  }

  /** An error that Knex may write SQL into: not one of the user's. */
  #own(reason: unknown): Error {
    return reason instanceof KnexResetError ? reason : this.failure(`transaction ${this.name} has ended`, reason);
  }

  /** A statement of the user's has ended it. */
  protected endedByUser({ sql, hasCommitted, wasRestarted }: EndingStatement): void {
    const { driver, running } = this.connection;
    const isLast = running === 0 && !wasRestarted;
    const isNoSuccess = !hasCommitted || !(isLast || driver.commitsSilently?.(sql));
    if (isNoSuccess || hasBlock(this)) this.#control(sql);
  }

  /** In a plain transaction a COMMIT by hand may be the very last statement: another one is refused, and dooms the transaction. */
  askedAfterEnd(): void {
    const { endedBy } = this.view;
    if (endedBy && this.isOpen && !this.connection.driver.commitsSilently?.(endedBy.sql)) this.#control(endedBy.sql);
  }

  /** Where its end is under way already, that says so beside its own error. */
  #control(sql: string): void {
    this.view.control ??= this.#endedBy(sql);
    this.doom(this.view.control);
  }

  #endedBy(sql: string): BlockControlError {
    const what = hasBlock(this) ? 'belongs to a block, but it ' : '';
    const isSilent = this.connection.driver.commitsSilently?.(sql);
    const remedy = isSilent ? `, ${COMMITS_BY_ITSELF}: change the schema before the transaction or after it` : '';
    return new BlockControlError(`transaction ${this.name} ${what}was ended by "${shown(sql)}"${remedy}`);
  }

  /** The connection is gone. */
  lost(error: Error): void {
    if (!this.isOpen) return;
    if (!this.view.isFatal) this.view.fatal = 'met';
    this.abort(error);
    // One turn, so that the callback can react to its query's error: what it throws then is what comes out.
    inBackground(nextTurn().then(() => this.settle()));
  }
}

/** It is a block, or there is one in it. */
function hasBlock({ block, children }: Enclosing): boolean {
  return block !== undefined || [...children].some((child) => hasBlock(child));
}
