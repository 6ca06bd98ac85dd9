// An outermost transaction on the server: BEGIN, COMMIT, ROLLBACK.
import { isAnswerToCommit } from '../drivers/error-codes';
import type { StepResult } from '../knex/transaction-port';
import { shown } from '../words/describe';
import { CommitUnknownError, ResetError } from '../words/errors';
import { within } from '../words/waiting';
import { ConnectionOwner, type OwnerDetails } from './connection-owner';
import { sendControl, sendInternal } from './control';
import { OPEN, type Recorded, type StateOf } from './state';

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
    const deferrable = this.block?.options.deferrable;
    try {
      if (deferrable !== undefined) await sendInternal(this, `SET TRANSACTION ${deferrable ? '' : 'NOT '}DEFERRABLE`);
    } catch (failure) {
      return this.notBegun(this.#reason(failure));
    }
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
    return sendControl(this, () => this.port.send('begin'));
  }

  /** It is open already: knex has begun it without this package. */
  takeOver(raw: object): void {
    this.isAdopted = true;
    this.acquired(raw);
    this.move(OPEN);
  }

  // COMMIT.

  async sendCommit(value: unknown, recorded: Recorded | undefined): Promise<void> {
    const { connection, view } = this;
    const { endedBy } = view;
    this.move({ is: 'committing', value, recorded });
    const { isDone, error, result } = await sendControl(this, () => this.port.send('commit'));
    const state = this.state as StateOf<'committing'>;
    if (state.is !== 'committing') return;
    if (isDone && state.cancelledFor?.hasCutWait()) return this.#inDoubt(state, state.cancelledFor.error);
    if (isDone) {
      if (!endedBy?.rolledBack && !connection.driver.saysRolledBack(answerOf(result)))
        return this.move({ is: 'ended', outcome: { kind: 'committed', value } });
      const by = endedBy ? `it was ended by "${shown(endedBy.sql)}"` : 'a statement in it had failed';
      const message = `the server rolled transaction ${this.name} back: ${by}`;
      return this.move({ is: 'ended', outcome: { kind: 'rolledBack', error: this.failure(message, view.firstError) } });
    }
    if (error instanceof ResetError || !isAnswerToCommit(error, connection.death !== undefined))
      return this.#inDoubt(state, connection.fatal ?? error);
    // The error comes before the server has let go of the transaction's locks.
    await within(this.instance.settings.timeoutMillis, connection.whenQuiet());
    const { cancelledFor } = this.state as StateOf<'committing'>;
    if (this.state.is === 'committing')
      this.move({ is: 'ended', outcome: { kind: 'rolledBack', error: cancelledFor ? cancelledFor.error : error } });
  }

  #inDoubt({ value, recorded }: StateOf<'committing'>, cause: unknown): void {
    this.connection.doomed = true;
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
