// An outermost transaction on the server: BEGIN, COMMIT, ROLLBACK.
import type { TransactionModes } from '../drivers/begin';
import type { Recorded } from '../drivers/pg/commit-status';
import { isAnswerToCommit, isClientTimeout } from '../drivers/fatal-errors';
import type { StepResult } from '../knex/transaction-port';
import { shown } from '../words/describe';
import { CommitUnknownError, ResetError } from '../words/errors';
import { within } from '../words/waiting';
import { ConnectionOwner, type OwnerDetails } from './connection-owner';
import { sendControl } from './control-statements';
import { OPEN, type StateOf } from './state';

export class RootTransaction extends ConnectionOwner {
  readonly root = this;
  readonly outermost = this;
  readonly emulatesRoot = false;

  constructor(details: OwnerDetails) {
    super(details);
    details.block?.onTransaction(this);
  }

  get parentHasEnded(): boolean {
    return false;
  }

  // BEGIN.

  async begin(): Promise<unknown> {
    const early = this.refusal;
    if (early) return this.notBegun(early.error);
    const { isDone, error, result } = await this.sendBegin();
    if (!isDone) return this.notBegun(this.#reason(error));
    // A limit, a reset or the death of the connection came meanwhile: the callback is not called any more.
    const { connection, refusal } = this;
    const late = refusal ?? (connection.refusal && { error: connection.death ?? connection.refusal });
    if (late) return this.notBegun(late.error);
    this.move(OPEN);
    return result;
  }

  /** A limit or a reset that came says more than what it made of the statement. */
  #reason(error: unknown): unknown {
    const { refusal } = this;
    return refusal ? refusal.error : error;
  }

  protected sendBegin(): Promise<StepResult> {
    const statements = this.connection.driver.begin?.(this.#modes);
    return sendControl(this, () => this.port.begin(statements));
  }

  /** `readOnly: false` says nothing in a plain transaction of knex's. */
  get #modes(): TransactionModes {
    const { isolationLevel, readOnly } = this.port.trx;
    const asked = this.block?.options;
    return { isolationLevel, readOnly: readOnly || asked?.readOnly, deferrable: asked?.deferrable };
  }

  /** It is open already: knex has begun it without this package. */
  takeOver(raw: object): void {
    this.isAdopted = true;
    this.acquired(raw);
    this.move(OPEN);
  }

  // COMMIT.

  async sendCommit(value: unknown, recorded: Recorded | undefined): Promise<void> {
    const { connection } = this;
    this.move({ is: 'committing', value, recorded });
    const { isDone, error, result } = await sendControl(this, () => this.port.send('commit'));
    const { state } = this;
    if (state.is !== 'committing') return;
    const { driver, raw } = connection;
    const isUndone = driver.saysRolledBack?.(answerOf(result));
    // One that was heard counts, also where the connection died right behind it.
    const heard = isDone ? (isUndone ? 'rolledBack' : 'committed') : driver.endHeard?.(raw);
    if (heard) return this.#answered(state, heard);
    const isGivenUp = error === connection.refusal || error instanceof ResetError;
    if (isGivenUp || !isAnswerToCommit(error, connection.death !== undefined))
      return this.#inDoubt(state, connection.fatal ?? error);
    if (isClientTimeout(error)) return this.#answeredLate(error);
    // The error arrives before the server has freed the transaction's locks.
    await this.#whenQuiet();
    if (this.state.is === 'committing') this.#refused(this.state, error);
  }

  #whenQuiet(): Promise<unknown> {
    return within(this.instance.settings.timeoutMillis, this.connection.whenQuiet());
  }

  /** The driver waits no longer, and the server goes on. */
  async #answeredLate(error: unknown): Promise<void> {
    const { connection } = this;
    const { driver, raw } = connection;
    const watch = driver.watchRefusal?.(raw);
    await this.#whenQuiet();
    watch?.end();
    const { state } = this;
    if (state.is !== 'committing') return;
    const heard = driver.endHeard?.(raw);
    if (heard) return this.#answered(state, heard);
    const refusal = watch?.heard();
    if (refusal === undefined || !isAnswerToCommit(refusal, connection.death !== undefined))
      return this.#inDoubt(state, refusal ?? connection.death ?? error);
    (error as { cause?: unknown }).cause ??= refusal;
    this.#refused(state, error);
  }

  #refused({ cancelledFor }: StateOf<'committing'>, error: unknown): void {
    this.move({ is: 'ended', outcome: { kind: 'rolledBack', error: cancelledFor ? cancelledFor.error : error } });
  }

  #answered(state: StateOf<'committing'>, heard: 'committed' | 'rolledBack'): void {
    const { value, cancelledFor } = state;
    const { endedBy, firstError } = this.view;
    if (heard === 'committed' && cancelledFor?.hasCutWait()) return this.#inDoubt(state, cancelledFor.error);
    if (heard === 'committed' && (!endedBy || endedBy.hasCommitted))
      return this.move({ is: 'ended', outcome: { kind: 'committed', value } });
    const by = endedBy ? `it was ended by "${shown(endedBy.sql)}"` : 'a statement in it had failed';
    const message = `the server rolled transaction ${this.name} back: ${by}`;
    this.move({ is: 'ended', outcome: { kind: 'rolledBack', error: this.failure(message, firstError) } });
  }

  #inDoubt({ value, recorded }: StateOf<'committing'>, cause: unknown): void {
    this.connection.doubt();
    const details = { cause, xid: recorded?.xid ?? undefined, transaction: this.describe() };
    this.move({ is: 'inDoubt', error: new CommitUnknownError(this.name, details), value, recorded });
  }

  // ROLLBACK.

  async wasUndone(): Promise<void> {}

  wasNotUndone(): void {}
}

/** The driver's answer inside knex's query object. */
function answerOf(result: unknown): unknown {
  return (result as { response?: unknown } | undefined)?.response;
}
