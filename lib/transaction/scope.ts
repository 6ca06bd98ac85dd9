// The state of one transaction or savepoint from BEGIN to its outcome, and what befalls it on the way. How it ends is in exit.ts.
import type { Knex } from 'knex';
import { isInFailedTransaction } from '../drivers/error-codes';
import { BlockControlError, ResetError } from '../errors';
import type { KnexTransaction } from '../knex/insides';
import { gate, type Send, type TransactionController, type Undo } from '../knex/transaction-class';
import type { Asked, Home } from '../pool/ambient';
import { describeUnregistered, type Instance, type OpenEntry } from '../pool/instance';
import { type Session, sessionOf, type Tenant } from '../pool/session';
import { type Stack, userFrames } from '../pool/stack';
import type { AtomicOptions, OpenTransaction } from '../types';
import { defer } from '../waiting';
import { publish } from './channel';
import { conclude, endByCommit, endByRollback, settleAborted } from './exit';
import { letIn } from './guests';
import { type HookSite, Timeline } from './timeline';

/**
 * `waiting` for a connection, `beginning`, `open`; `ending`: its end was asked for; `committing`: COMMIT is sent; `over`: the outcome is known.
 */
export type Phase = 'waiting' | 'beginning' | 'open' | 'ending' | 'committing' | 'over';

export type Outcome =
  | { kind: 'committed'; value: unknown }
  /** `error` is undefined where a plain `trx.rollback()` resolves. */
  | { kind: 'rolledBack'; error: unknown; resolves?: boolean }
  | { kind: 'unknown'; error: Error };

export type StepResult = { ok: true; result: unknown } | { ok: false; error: unknown; result: unknown };

/** What makes a transaction a block. */
export interface BlockSpec {
  options: AtomicOptions;
  attempt: number;
  /** More attempts may follow, so the block's callback must have ended before the block may reject. */
  mayRetry: boolean;
  /** Where it was asked for. */
  stack: Stack;
  /** Told of its scope before anything is sent. */
  onScope(scope: Scope): void;
}

const scopesByClient = new WeakMap<object, Scope>();

/** The scope whose queries go through a client, be it by way of a client derived from it. */
export function scopeOfClient(client: object): Scope | undefined {
  const scope = scopesByClient.get(client);
  if (scope) return scope;
  const base = Object.getPrototypeOf(client) as object | null;
  return base && Object.hasOwn(base, 'transacting') ? scopeOfClient(base) : undefined;
}

/** What makes a transaction the root of a sandbox. */
export interface SandboxRoot {
  /** The queries of the instance that are in it or wait for their turn. */
  readonly guests: Set<Guest>;
  /** What a statement that ended it behind its back does to it. */
  escaped(sql: string): Error;
}

export interface Guest {
  asked: Asked | undefined;
}

export class Scope implements TransactionController, Tenant, OpenEntry, HookSite, Home {
  readonly instance: Instance;
  readonly parent: Scope | undefined;
  /** The one that has BEGIN and COMMIT. */
  readonly root: Scope;
  /** The outermost one for the user: the root, but for those that a sandbox is around. */
  readonly outermost: Scope;
  readonly trx: KnexTransaction;
  readonly block: BlockSpec | undefined;
  readonly standsAlone: boolean;
  readonly depth: number;
  readonly openedAt = Date.now();
  readonly stack: Stack;
  readonly timeline: Timeline;
  readonly children = new Set<Scope>();
  readonly settler: TransactionController['settler'] = { resolve: () => {}, reject: () => {} };
  /** Says that the parent need not wait for it. */
  leaveParent: () => void;
  handle: Knex.Transaction | undefined;
  session!: Session;
  phase: Phase = 'waiting';
  outcome: Outcome | undefined;
  /** Why nothing more may be asked in it; the error that it will end with. */
  doom: unknown;
  /** Its holders were told that it is over, though knex has not ended it. */
  isAborted = false;
  /** The callback is still running. Knex's own commit and rollback come after it. */
  isCallbackRunning = false;
  /** The first statement error that no rollback to a savepoint has undone. */
  firstError: unknown;
  hadFatal = false;
  /** A statement of the user's that ended the transaction behind our back. */
  endedBy: { sql: string; rolledBack: boolean } | undefined;
  /** Statements of its own that wait for their turn or have it; counted in sandboxes only. */
  running = 0;
  /** Set on the root of a sandbox. */
  sandbox: SandboxRoot | undefined;
  xid: string | undefined;
  /** Sends ROLLBACK or ROLLBACK TO, known from BEGIN on. */
  undo: Undo = async () => {};
  /** Why its COMMIT was cancelled, if it was. */
  interruption: unknown;
  value: unknown;
  afterCommitError: Error | undefined;
  fatalHooksRan = false;
  isAdopted = false;
  /** Made with a callback that returns no promise, and that commits by hand. */
  isByCallback = false;
  /** The hooks that it had when it was rolled back. */
  lastHooks: Timeline | undefined;
  /** Queries and inner blocks that were started inside and are not done. */
  pending = 0;
  onDrained: (() => void) | undefined;
  #earlierTenant: Tenant | undefined;
  readonly decided = defer();
  readonly #over = defer();
  readonly whenOver = this.#over.promise;
  #step: ((result: StepResult) => void) | undefined;
  #isStepping = false;

  constructor(
    instance: Instance,
    trx: KnexTransaction,
    details: {
      parent: Scope | undefined;
      block: BlockSpec | undefined;
      stack: Stack;
      standsAlone: boolean;
    },
  ) {
    this.instance = instance;
    this.trx = trx;
    this.parent = details.parent;
    this.block = details.block;
    this.stack = details.stack;
    this.root = details.parent?.root ?? this;
    this.standsAlone = details.standsAlone;
    this.outermost = details.parent && !details.standsAlone ? details.parent.outermost : this;
    this.depth = this.isOutermost ? 1 : (details.parent as Scope).depth + 1;
    this.timeline = this.isOutermost ? new Timeline() : this.outermost.timeline;
    this.leaveParent = details.parent?.block ? details.parent.enter() : () => {};
    this.block?.onScope(this);
  }

  get id(): string {
    return this.trx.txid;
  }

  get label(): string | undefined {
    return this.block?.options.label ?? (this.isOutermost ? undefined : this.parent?.label);
  }

  get attempt(): number {
    return this.block?.attempt ?? (this.isOutermost ? undefined : this.parent?.attempt) ?? 1;
  }

  get isOutermost(): boolean {
    return this.outermost === this;
  }

  get isSavepoint(): boolean {
    return this.parent !== undefined;
  }

  get whenDecided(): Promise<void> {
    return this.decided.promise;
  }

  get isOver(): boolean {
    return this.outcome !== undefined;
  }

  get isCommitting(): boolean {
    return this.phase === 'committing';
  }

  /** The error that a statement asked now gets; undefined: it is sent, or knex says that the transaction is over. */
  get refusal(): unknown {
    if (this.#isStepping) return undefined;
    return this.doom ?? this.parent?.refusal;
  }

  // From knex, step by step.

  async live(life: () => Promise<unknown>): Promise<unknown> {
    this.parent?.children.add(this);
    try {
      await life();
    } catch (error) {
      // Without an outcome it never had a connection, or its BEGIN failed.
      if (!this.outcome) throw error;
    } finally {
      this.parent?.children.delete(this);
      this.leaveParent();
      this.instance.closed(this);
      // It was told which connection to use: that has its earlier tenant again.
      if (this.session?.tenant === this) this.session.tenant = this.#earlierTenant;
    }
    try {
      return await conclude(this);
    } finally {
      this.#over.resolve();
    }
  }

  acquired(connection: object): void {
    const { pool } = this.instance;
    this.session = this.parent?.session ?? sessionOf(connection) ?? pool.trackForeign(connection);
    this.phase = 'beginning';
    if (!this.isSavepoint) {
      this.#earlierTenant = this.session.tenant;
      this.session.tenant = this;
      this.instance.opened(this);
    }
  }

  /** It was open when control was taken of it. Knex gives its connection back, and waits for nothing that comes after. */
  adopted(connection: object, undo: Undo): void {
    this.acquired(connection);
    this.undo = undo;
    this.phase = 'open';
    this.isAdopted = true;
    this.#guardClient();
  }

  giveBack(connection: object): void {
    // A reset may have given it to somebody else.
    if (this.isSavepoint || this.session.tenant === this) void this.trx.client.releaseConnection(connection);
  }

  async begin(send: Send, undo: Undo): Promise<unknown> {
    this.undo = undo;
    this.#guardClient();
    const step: StepResult =
      this.doom === undefined ? await this.step(send) : { ok: false, error: this.doom, result: undefined };
    if (!step.ok) {
      this.outcome = { kind: 'rolledBack', error: this.root.doom ?? step.error };
      this.phase = 'over';
      // Knex would go on to the callback.
      throw this.outcome.error;
    }
    this.phase = 'open';
    const { deferrable } = this.block?.options ?? {};
    if (deferrable !== undefined && !this.isSavepoint) await this.#setDeferrable(deferrable);
    publish('begin', this);
    return step.result;
  }

  commit(value: unknown, send: Send): Promise<unknown> {
    const committed = endByCommit(this, value, send);
    // Whoever does not wait for it hears of its failure from the transaction's own promise.
    const handled = committed.catch(() => {});
    return this.isByCallback ? handled : committed;
  }

  rollback(error: unknown): Promise<unknown> {
    return endByRollback(this, error);
  }

  isCompleted(): boolean {
    return this.isAborted || this.phase === 'over';
  }

  stepResolved(): void {
    this.#step?.({ ok: true, result: undefined });
  }

  stepRejected(error: unknown): void {
    if (this.#step) this.#step({ ok: false, error, result: undefined });
    else this.settler.reject(error);
  }

  /** Sends one of knex's control statements, and finds out what knex would have settled the transaction with. */
  async step(send: Send): Promise<StepResult> {
    let outcome: StepResult | undefined;
    this.#step = (result) => {
      outcome ??= result;
    };
    const endTurn = this.session.turns && (await this.session.turns.take());
    // Knex marks a transaction as completed with the first try to end it; the second, after a failed one, must still be sent.
    this.trx._completed = false;
    this.#isStepping = true;
    let sent: Promise<unknown>;
    try {
      sent = send();
    } finally {
      this.#isStepping = false;
    }
    try {
      const result = await sent;
      return { ...(outcome ?? { ok: true }), result } as StepResult;
    } catch (error) {
      return { ok: false, error, result: undefined };
    } finally {
      this.#step = undefined;
      endTurn?.();
    }
  }

  /** Sends a statement of this package's own. */
  async send(sql: string): Promise<unknown> {
    const { driver, connection, turns } = this.session;
    const endTurn = turns && (await turns.take());
    try {
      return await driver.send(connection, sql);
    } finally {
      endTurn?.();
    }
  }

  /** In a sandbox: resolves when one statement of this transaction may be sent. Undefined: at once. */
  takeTurn(): Promise<() => void> | undefined {
    const { turns } = this.session;
    if (!turns || this.#isStepping) return undefined;
    this.running++;
    return turns.take().then((end) => () => {
      this.running--;
      end();
    });
  }

  // From the connection. Only the outermost one is its tenant.

  asked(): void {}

  answered(sql: string, error: unknown, result: unknown): unknown {
    if (error !== null && error !== undefined) return this.#failed(error);
    const { driver, connection } = this.session;
    const status = driver.status(connection);
    if (status === 'open') {
      this.firstError = undefined;
      this.endedBy = undefined;
    } else if (status === 'idle' && this.phase === 'open') {
      this.#endedBehindOurBack(sql, driver.saysRolledBack(result));
    }
    return error;
  }

  lost(error: Error): void {
    if (this.phase !== 'open') return;
    this.hadFatal = true;
    this.abort(error);
    // One turn, so that the callback can react to its query's error: what it throws then is what comes out.
    setImmediate(() => {
      if (!(this.block?.mayRetry && this.isCallbackRunning)) this.settle();
    });
  }

  /** Something was started inside, which a block waits for at its end. Returns what says that it is done. */
  enter(): () => void {
    this.pending++;
    let isInside = true;
    return () => {
      if (isInside && --this.pending === 0) this.onDrained?.();
      isInside = false;
    };
  }

  // From queries of the instance itself that belong in here.

  letIn(asked: Asked | undefined): Promise<object> {
    return letIn(this, asked);
  }

  // From a reset, and from the diagnostics.

  abort(error: Error): void {
    if (this.outcome || this.phase === 'committing') return;
    this.doom ??= error instanceof ResetError ? new ResetError({ ...error, transaction: this.describe() }) : error;
    this.isAborted = true;
    for (const child of this.children) child.abort(this.doom as Error);
    this.onDrained?.();
  }

  settle(): void {
    if (this.isAborted && !this.outcome) void settleAborted(this);
  }

  describe(): OpenTransaction {
    const { session } = this;
    const isFailed = this.firstError !== undefined;
    const state = session.running > 0 ? 'running' : isFailed ? 'failed' : 'idle';
    return {
      ...describeUnregistered(session, this.id, state),
      label: this.label,
      openedAt: new Date(this.openedAt),
      ageMillis: Date.now() - this.openedAt,
      depth: 1 + this.openInside().length,
      stack: userFrames(this.stack.stack),
    };
  }

  #guardClient(): void {
    const { trxClient } = this.trx;
    if (!trxClient) return;
    gate(trxClient, this);
    scopesByClient.set(trxClient, this);
  }

  async #setDeferrable(deferrable: boolean): Promise<void> {
    await this.send(`SET TRANSACTION ${deferrable ? '' : 'NOT '}DEFERRABLE`);
  }

  #failed(error: unknown): unknown {
    if (isInFailedTransaction(error)) {
      const refused = error as { cause?: unknown };
      if (this.firstError !== undefined) refused.cause ??= this.firstError;
    } else {
      this.firstError ??= error;
    }
    if (this.instance.isFatal(error)) {
      this.hadFatal = true;
      if (this.phase === 'open') this.doom ??= error;
    }
    return error;
  }

  #endedBehindOurBack(sql: string, rolledBack: boolean): void {
    this.endedBy = { sql, rolledBack };
    if (this.sandbox) this.doom ??= this.sandbox.escaped(sql);
    if (!this.innermostBlock()) return;
    this.doom ??= new BlockControlError(
      `transaction ${this.label ?? this.id} belongs to a block, but it was ended by "${sql}"`,
    );
  }

  /** The savepoints that are open inside. */
  openInside(): Scope[] {
    return [...this.children]
      .filter((child) => child.phase === 'open')
      .flatMap((child) => [child, ...child.openInside()]);
  }

  /** The block whose callback runs deepest in this transaction, if any. */
  innermostBlock(): Scope | undefined {
    for (const child of this.children) {
      const inner = child.innermostBlock();
      if (inner) return inner;
    }
    return this.block ? this : undefined;
  }
}
