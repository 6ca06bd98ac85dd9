// The requests to end a transaction, by its callback or through its handle, and what they resolve with.
import type { TransactionController } from '../knex/transaction-controller';
import { BlockControlError, TransactionFailedError } from '../words/errors';
import type { QueryOrigin } from '../words/call-site';
import { commit, commitByHand } from './commit';
import { takeTurn } from './control-statements';
import { enlist } from './enlist';
import { finish } from './finish';
import { interrupt } from './interrupt';
import { rollBack, rollBackByHand, settleAborted } from './roll-back';
import type { Failure } from '../words/failure';
import type { Outcome } from './outcome';
import { Transaction } from './transaction';
import { inBackground } from '../words/foreign';
import { nextTurn } from '../words/waiting';

const ignore = () => {};

export abstract class ControlledTransaction extends Transaction implements TransactionController {
  /** It was begun without this package: knex waits for its own promise only, and calls `commit()` and `rollback()` as a user does. */
  isAdopted = false;
  /** Its callback has called `commit()`, with that: it counts, as in knex, also where the callback does not wait for it. */
  #byHand: { readonly value: unknown } | undefined;

  abstract readonly emulatesRoot: boolean;
  abstract ask(given?: object): Promise<void> | undefined;
  abstract acquired(raw: object, usesCallersConnection?: boolean): void;
  abstract begin(): Promise<unknown>;
  abstract giveBack(raw: object): void;
  // How the callback ends.

  returned(value: unknown): void {
    this.work.isCallbackRunning = false;
    this.#go(this.isAborted ? settleAborted(this) : commit(this, this.#byHand ? this.#byHand.value : value));
  }

  threw(error: unknown): void {
    this.work.isCallbackRunning = false;
    if (this.isAborted) this.#go(settleAborted(this, { error }));
    else if (this.isOpen) this.#go(rollBack(this, error));
  }

  /** What goes wrong in the steps of its end is its outcome, whatever it is. */
  #go(end: Promise<void>): void {
    end.catch((error: unknown) => {
      if (!this.isOver) this.move({ is: 'ended', outcome: { kind: 'rolledBack', error } });
    });
  }

  // The end that is asked for by hand.

  /** Rejects if it failed. It need not be awaited: the transaction's own promise rejects as well. */
  commit(value: unknown): Promise<unknown> {
    const committed = this.#commitByHand(value);
    const handled = committed.catch(ignore);
    return this.port.endsByCallback ? handled : committed;
  }

  async #commitByHand(value: unknown): Promise<unknown> {
    // What its callback has asked before is sent before: knex looks for the connection meanwhile.
    if (this.work.isCallbackRunning) {
      if (!this.#belongsToBlock && !this.work.isInHooks) this.#byHand ??= { value };
      await nextTurn();
    }
    if (!this.isOver) {
      if (this.#belongsToBlock || this.work.isInHooks) throw this.#notByHand('commit()');
      // What ends it waits for its hooks, and one of these may be the caller.
      const told = this.view.isInFatalHooks ? this.refusal : undefined;
      const ending = commitByHand(this, value);
      if (told) {
        inBackground(ending);
        throw told.error;
      }
      await ending;
      await this.whenOver;
    }
    const { outcome, state } = this;
    if (state.is === 'released' && state.afterCommitError) throw state.afterCommitError;
    if (outcome?.kind === 'committed') return undefined;
    if (outcome?.error !== undefined) throw outcome.error;
    throw new TransactionFailedError(`transaction ${this.name} was rolled back before it was committed`, {
      transaction: this.describe(),
    });
  }

  /** Rejects only in a block, which is doomed by it: what the rollback was for is the transaction's outcome. */
  rollback(error: unknown): Promise<unknown> {
    const rolledBack = this.#rollBackByHand(error);
    rolledBack.catch(ignore);
    return rolledBack;
  }

  async #rollBackByHand(error: unknown): Promise<unknown> {
    if (this.isOver) return undefined;
    // Knex itself rolls back with the error that a callback has thrown, or that `commit()` has rejected with.
    const isOfKnex = this.isAdopted && error !== undefined;
    if (this.#belongsToBlock && !isOfKnex && !this.#hasNoOtherEnd) {
      const refused = this.#notByHand('rollback()');
      this.doom(refused);
      throw refused;
    }
    // What comes next would be waited for by its own hook: it goes the other way.
    if (this.state.is === 'draining' || (this.isOpen && this.work.isInHooks))
      return this.doom(error ?? this.#rolledBackMeanwhile());
    const isForHook = this.work.isInHooks || this.view.isInFatalHooks;
    const ending = rollBackByHand(this, error);
    if (isForHook) return inBackground(ending);
    await ending;
    await this.whenOver;
    return undefined;
  }

  #rolledBackMeanwhile(): Error {
    const moment = this.state.is === 'draining' ? 'it was about to be committed' : 'its afterBegin hooks ran';
    return this.failure(`transaction ${this.name} was rolled back by hand while ${moment}`, undefined);
  }

  get #belongsToBlock(): boolean {
    return (this.block !== undefined || this.work.joined > 0) && !this.port.isCallbackOver;
  }

  /** Only its handle ends it, whatever has joined it. */
  get #hasNoOtherEnd(): boolean {
    return this.block === undefined && !this.work.isCallbackRunning;
  }

  #notByHand(call: string): BlockControlError {
    const why = this.#belongsToBlock
      ? `belongs to a block: return or throw instead of calling ${call}`
      : `is being ${this.state.is === 'draining' ? 'committed' : 'begun'}: ${call} is not for its hooks`;
    return new BlockControlError(`transaction ${this.name} ${why}`);
  }

  // What knex and the queries inside ask.

  isCompleted(): boolean {
    const { is } = this.state;
    return is === 'aborted' || this.isOver;
  }

  refuse(): Failure | undefined {
    if (this.port.isStepping) return undefined;
    if (this.view.endedBy) this.root.askedAfterEnd();
    return this.refusal;
  }

  takeTurn(): Promise<() => void> | undefined {
    return this.port.isStepping ? undefined : takeTurn(this);
  }

  enlist(asked: QueryOrigin | undefined): Promise<object> {
    return enlist(this, asked);
  }

  /** Runs code of the user. If the instance is ambient, its queries in that code are in this transaction. */
  override inContext<T>(work: () => T): T {
    const { settings, ambient } = this.instance;
    return settings.ambient || this.root.sandbox ? ambient.run(this, work) : work();
  }

  // Its end.

  protected override decided(outcome: Outcome): void {
    const { port } = this;
    if (this.isAdopted)
      new Promise((resolve) => resolve(this.ended(undefined))).then(port.settler.resolve, port.settler.reject);
    else if (outcome.kind === 'committed') port.resolve(outcome.value);
    else if (outcome.kind === 'rolledBack' && outcome.resolves) port.resolve(undefined);
    else port.reject(outcome.error);
  }

  ended(failure: Failure | undefined): unknown {
    this.leave();
    this.leaveParent();
    this.instance.closed(this);
    if (this.isOver) return finish(this);
    const error = failure?.error;
    this.move({ is: 'ended', outcome: { kind: 'rolledBack', error } });
    this.move({ is: 'released', outcome: { kind: 'rolledBack', error } });
    return Promise.reject(error as Error);
  }

  /** The one around it need not wait for it any more. */
  abstract leaveParent(): void;

  settle(): void {
    if (this.isAborted) this.#go(settleAborted(this));
  }

  interrupt(error: unknown): Promise<void> {
    return interrupt(this, error);
  }

  /** It never began. @returns what knex takes for its failure */
  protected notBegun(error: unknown): Promise<never> {
    const { outcome } = this;
    if (!outcome) this.move({ is: 'ended', outcome: { kind: 'rolledBack', error } });
    return Promise.reject(error as Error);
  }
}
