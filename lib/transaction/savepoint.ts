// A savepoint: SAVEPOINT, RELEASE, ROLLBACK TO, on the connection of the transaction around it.
import { release } from '../drivers/sql';
import { Deadline, within } from '../words/waiting';
import { sendControl, sendInTime, sendInternal, stepMillis } from './control-statements';
import { ControlledTransaction } from './controlled-transaction';
import { rollBack } from './roll-back';
import type { ServerView } from './server-view';
import type { Failure } from '../words/failure';
import type { Outcome } from './outcome';
import { OPEN } from './state';
import type { Transaction } from './transaction';
import type { TransactionDetails } from './transaction-details';

type SavepointDetails = TransactionDetails<Transaction> & { parent: Transaction };

/** It was rolled back, or is about to be, or one around it: with it, all that was done inside. */
export function isUndone(transaction: Transaction | undefined): boolean {
  if (!transaction) return false;
  const { isOpen, isCommitting, outcome, parent } = transaction;
  return !(isOpen || isCommitting || outcome?.kind === 'committed') || isUndone(parent);
}

export class Savepoint extends ControlledTransaction {
  declare readonly parent: Transaction;
  readonly root: Transaction;
  readonly outermost: Transaction;
  readonly view: ServerView;
  readonly emulatesRoot: boolean;
  /** The callback around it has begun it, and may end without waiting for it. */
  readonly #isOfCallback: boolean;
  /** Set as long as the end of the one around it waits for it. */
  #leaveParent: (() => void) | undefined;

  constructor(details: SavepointDetails, emulatesRoot = false) {
    super(details);
    const { parent, block } = details;
    this.root = parent.root;
    this.view = parent.view;
    this.emulatesRoot = emulatesRoot;
    this.outermost = emulatesRoot ? this : parent.outermost;
    this.#isOfCallback = parent.work.isCallbackRunning;
    if (parent.block || this.#isOfCallback) this.#leaveParent = parent.work.enter();
    block?.onTransaction(this);
  }

  /** Not while it waits for its turn to begin. */
  get hasConnection(): boolean {
    return this.connection !== undefined && this.root.hasConnection;
  }

  get ownsConnection(): boolean {
    return false;
  }

  get parentHasEnded(): boolean {
    return !this.parent.isUsable;
  }

  ask(): undefined {}

  acquired(): void {
    this.connection = this.parent.connection;
    // It was taken from the transaction around it, as a query takes it, but not by hand.
    this.root.givenBack();
    // One around it that is ended by hand waits from here on, and not while this one waits for others to end.
    this.#leaveParent ??= this.parent.work.enter();
    this.instance.begun(this);
    this.beginning();
  }

  giveBack(): void {}

  taken(): void {
    this.root.taken();
  }

  givenBack(): void {
    this.root.givenBack();
  }

  leaveParent(): void {
    this.#leaveParent?.();
    this.#leaveParent = undefined;
  }

  /** The failure of a plain one that its callback has not waited for is that of the block around it. An inner block's is watched by its promise. */
  protected override decided(outcome: Outcome): void {
    super.decided(outcome);
    const { block, parent } = this;
    const isLate = this.#isOfCallback && !parent.work.isCallbackRunning && this.#leaveParent !== undefined;
    if (block || !parent.block || !isLate || outcome.kind !== 'rolledBack' || outcome.resolves) return;
    parent.work.failures.addUnawaited({ error: outcome.error, what: 'a transaction in' });
  }

  async begin(): Promise<unknown> {
    const early = this.refuse();
    if (early) return this.notBegun(early.error);
    const { isDone, error, result } = await sendControl(this, () => this.port.send('begin'));
    const { refusal } = this;
    // A limit was reached before the savepoint was there: the block in it will never run.
    if (isDone && refusal && !this.parentHasEnded) await this.#drop(new Deadline(stepMillis(this)));
    if (refusal) return this.notBegun(refusal.error);
    if (!isDone) return this.notBegun(error);
    this.move(OPEN);
    return result;
  }

  /** It is open already: knex has begun it without this package. */
  takeOver(): void {
    this.isAdopted = true;
    this.acquired();
    this.leaveParent();
    this.move(OPEN);
  }

  async sendCommit(value: unknown): Promise<void> {
    const { connection, port } = this;
    const committed = { is: 'ended', outcome: { kind: 'committed', value } } as const;
    this.move({ is: 'committing', value });
    const checking = this.violation();
    const violated = checking && (await checking);
    if (this.isOver) return;
    if (violated) return rollBack(this, violated.error);
    // In a sandbox transactions share a connection that would have had one each: one may end before one that was begun inside it.
    if (connection.mutex.isShared && this.openInside().some((inner) => inner.standsAlone)) return this.move(committed);
    const step = await sendInTime(this, new Deadline(stepMillis(this)), () => port.send('commit'));
    if (this.isOver) return;
    if (step?.isDone) return this.move(committed);
    const cut = this.state.is === 'committing' ? this.state.cancelledFor : undefined;
    const lost = cut ?? this.refusal ?? (connection.refusal && { error: connection.fatal ?? connection.refusal });
    if (lost) return rollBack(this, lost.error);
    const message = `savepoint ${this.name} was rolled back: a statement in it had failed`;
    return rollBack(this, this.failure(message, this.view.firstError ?? step?.error));
  }

  /** What COMMIT would refuse. Undefined: nothing, or RELEASE does not check it. */
  protected violation(): Promise<Failure | undefined> | undefined {
    return undefined;
  }

  async wasUndone(deadline: Deadline): Promise<void> {
    if (this.block) await this.#drop(deadline);
  }

  /** A savepoint stays after ROLLBACK TO; without this a block's would pile up in a long transaction. */
  async #drop(deadline: Deadline): Promise<void> {
    const released = sendInternal(this, `${release(this.id)};`).then(() => true);
    if (!(await within(deadline.leftMillis, released))) this.connection.doubt();
  }

  wasNotUndone(error: unknown, failure: unknown): void {
    this.root.doom(error ?? this.failure(`savepoint ${this.name} was not rolled back`, failure));
  }

  askedAfterEnd(): void {
    this.root.askedAfterEnd();
  }
}
