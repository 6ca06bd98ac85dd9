// One transaction or savepoint from BEGIN to its outcome: what knex, the connection and a reset tell it.
import { ResetError } from '../words/errors';
import { guardClient } from '../knex/guard';
import type { KnexClient, KnexTransaction } from '../knex/insides';
import type { Send, TransactionController, Undo } from '../knex/transaction-class';
import type { EnclosingTransaction } from '../pool/ambient';
import type { QueryOrigin } from '../words/call-site';
import type { Instance, OpenEntry } from '../pool/instance';
import { connectionOf, type ConnectionUser } from '../connection/connection';
import { type Deferred, defer } from '../words/waiting';
import { answered, lost, readied, refuseAfterEnd } from './server-view';
import { publish } from './channel';
import { finish } from './finish';
import { requestCommit, requestRollback } from './exit';
import { enlist } from './enlist';
import { settleAborted } from './roll-back';
import type { Outcome, TransactionDetails } from './transaction-details';
import { TransactionRecord } from './transaction-record';
import { begin, takeTurn } from './control';
import type { HookSite } from './hooks';

export class Transaction
  extends TransactionRecord
  implements TransactionController, ConnectionUser, OpenEntry, HookSite, EnclosingTransaction
{
  #earlierUser: ConnectionUser | undefined;
  #decided: Deferred<void> | undefined;
  #over: Deferred<void> | undefined;
  #isOver = false;
  /** How many resets there had been when it was made. */
  readonly #resets: number;

  constructor(instance: Instance, trx: KnexTransaction, details: TransactionDetails) {
    super(instance, trx, details);
    this.#resets = instance.resets;
    details.block?.onScope(this);
  }

  /** Resolves when the outcome is known. */
  get whenDecided(): Promise<void> {
    this.#decided ??= defer();
    if (this.outcome) this.#decided.resolve();
    return this.#decided.promise;
  }

  /** Resolves when it holds its connection no more, and its last hooks have run. */
  get whenOver(): Promise<void> {
    this.#over ??= defer();
    if (this.#isOver) this.#over.resolve();
    return this.#over.promise;
  }

  get isConcluded(): boolean {
    return this.#isOver;
  }

  // From knex, in the order of a transaction's life.

  /** Called right before a connection is acquired. Throws ResetError if a reset has started since this transaction was created. */
  ask(): void {
    const { resets, latestReset } = this.instance;
    if (this.#resets === resets || this.isSavepoint || latestReset?.waiting !== 'reject') return;
    throw new ResetError({ reason: latestReset.reason, generation: resets });
  }

  acquired(raw: object, usesCallersConnection = false): void {
    const { instance } = this;
    this.usesCallersConnection = usesCallersConnection;
    this.connection = this.parent?.connection ?? connectionOf(raw) ?? instance.pool.trackForeign(raw);
    this.phase = 'beginning';
    instance.transactionLimit?.begun(this);
    if (this.isSavepoint) return;
    this.#earlierUser = this.connection.user;
    this.connection.user = this;
    instance.opened(this);
  }

  begin(send: Send, undo: Undo): Promise<unknown> {
    this.undo = undo;
    const begun = begin(this, send);
    const { held } = this;
    return held ? begun.then(() => new Promise(() => held.begun(this))) : begun;
  }

  commit(value: unknown, send: Send): Promise<unknown> {
    const committed = requestCommit(this, value, send);
    // The transaction's own promise carries the failure too: this one need not be awaited.
    const handled = committed.catch(() => {});
    return this.isByCallback ? handled : committed;
  }

  rollback(error: unknown): Promise<unknown> {
    return requestRollback(this, error);
  }

  isCompleted(): boolean {
    return this.isAborted || this.phase === 'over';
  }

  stepRejected(error: unknown): void {
    if (this.step) this.step.failure ??= { error };
    else this.reject(error);
  }

  refuse(): unknown {
    if (!this.isStepping) refuseAfterEnd(this.root);
    return this.refusal;
  }

  takeTurn(): Promise<() => void> | undefined {
    return this.isStepping ? undefined : takeTurn(this);
  }

  giveBack(raw: object): void {
    // A reset may have given the connection to another user.
    if (this.isSavepoint || this.connection?.user !== this) return;
    this.connection.leave(() => this.refusal as Error);
    void this.trx.client.releaseConnection(raw);
  }

  ended(failure: { error: unknown } | undefined): unknown {
    this.parent?.removeChild(this);
    this.leaveParent();
    this.instance.closed(this);
    // It used a connection that it was given: its earlier user has it again.
    if (this.connection?.user === this) this.connection.user = this.#earlierUser;
    return this.outcome ? finish(this) : this.#neverBegun(failure?.error);
  }

  /** It was open when control was taken of it. Knex gives its connection back once its promise is settled. */
  takeControl(raw: object, undo: Undo): void {
    this.acquired(raw);
    this.undo = undo;
    this.phase = 'open';
    this.isAdopted = true;
    this.hasBegun = true;
    guardClient(this.trx.trxClient as KnexClient, this);
    publish('begin', this);
  }

  // Its outcome, from exit.ts and conclude.ts.

  decide(outcome: Outcome): void {
    if (this.outcome) return;
    this.outcome = outcome;
    this.phase = 'over';
    this.#decided?.resolve();
    // Knex waits for its own promise only, not for the last hooks, so it gets the outcome after them.
    if (this.isAdopted) new Promise((resolve) => resolve(this.ended(undefined))).then(this.resolve, this.reject);
    else if (outcome.kind === 'committed') this.resolve(outcome.value);
    else if (outcome.kind === 'rolledBack' && outcome.resolves) this.resolve(undefined);
    else this.reject(outcome.error);
  }

  concluded(): void {
    this.#isOver = true;
    this.#over?.resolve();
  }

  // From the connection. Only the root is its user.

  answered(sql: string, error: unknown, result: unknown): unknown {
    return answered(this, { sql, error, result });
  }

  readied(sql: string, error: unknown): void {
    readied(this, sql, error);
  }

  lost(error: Error): void {
    lost(this, error);
  }

  // From what runs inside.

  enlist(asked: QueryOrigin | undefined): Promise<object> {
    return enlist(this, asked);
  }

  #neverBegun(error: unknown): Promise<never> {
    this.concluded();
    return Promise.reject(error as Error);
  }

  // From a reset, and from the diagnostics.

  abort(error: Error): Error | undefined {
    if (this.outcome || this.phase === 'committing') return undefined;
    this.doom ??=
      error instanceof ResetError
        ? new ResetError({ reason: error.reason, generation: error.generation, transaction: this.describe() })
        : error;
    this.isAborted = true;
    for (const child of this.children) child.abort(this.doom as Error);
    this.onDrained?.();
    return this.doom as Error;
  }

  settle(): void {
    if (this.isAborted && !this.outcome) void settleAborted(this);
  }
}
