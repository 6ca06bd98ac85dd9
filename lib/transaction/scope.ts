// The state of one transaction or savepoint from BEGIN to its outcome. How statements are sent is in steps.ts, how it ends in exit.ts.
import type { Knex } from 'knex';
import { isSocketError } from '../drivers/error-codes';
import { ResetError } from '../errors';
import type { KnexTransaction } from '../knex/insides';
import type { Send, TransactionController, Undo } from '../knex/transaction-class';
import type { Asked, Home } from '../pool/ambient';
import { describeUnregistered, type Holder, type Instance, type OpenEntry } from '../pool/instance';
import { type Session, sessionOf, type Tenant } from '../pool/session';
import { type Stack, userFrames } from '../pool/stack';
import type { AtomicOptions } from '../block-types';
import type { OpenTransaction } from '../types';
import { type Deferred, defer } from '../waiting';
import { answered, lost, readied } from './answers';
import { conclude } from './conclude';
import { endByCommit, endByRollback, settleAborted } from './exit';
import { letIn } from './guests';
import { begin, guardClient, takeTurn } from './steps';
import { type HookSite, Timeline } from './timeline';
import type { Recorded } from './verify-commit';

/** `waiting` for a connection; `ending`: its end was asked for; `committing`: COMMIT is sent; `over`: the outcome is known. */
export type Phase = 'waiting' | 'beginning' | 'open' | 'ending' | 'committing' | 'over';

export type Outcome =
  | { kind: 'committed'; value: unknown }
  /** It resolves all the same where a plain `trx.rollback()` without an error does. */
  | { kind: 'rolledBack'; error: unknown; resolves?: boolean }
  | { kind: 'unknown'; error: Error };

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

/** What makes a transaction that of a sandbox. */
export interface HeldSpec {
  holder: Holder;
  /** It is open. Nobody needs knex's handle of it, which takes longer to make than all the rest: it is never made. */
  begun(scope: Scope): void;
}

interface ScopeDetails {
  parent: Scope | undefined;
  block: BlockSpec | undefined;
  stack: Stack;
  standsAlone: boolean;
  held?: HeldSpec | undefined;
}

const NONE: ReadonlySet<Scope> = new Set();

export class Scope implements TransactionController, Tenant, OpenEntry, HookSite, Home {
  readonly instance: Instance;
  readonly parent: Scope | undefined;
  /** The one that has BEGIN and COMMIT. */
  readonly root: Scope;
  /** The outermost one for the user: the root, but for those that a sandbox is around. */
  readonly outermost: Scope;
  readonly standsAlone: boolean;
  readonly trx: KnexTransaction;
  readonly block: BlockSpec | undefined;
  readonly depth: number;
  readonly openedAt = Date.now();
  readonly stack: Stack;
  session!: Session;
  handle: Knex.Transaction | undefined;
  phase: Phase = 'waiting';
  outcome: Outcome | undefined;
  /** Why nothing more may be asked in it; the error that it will end with. */
  doom: unknown;
  /** Its holders were told that it is over, though knex has not ended it. */
  isAborted = false;
  /** The callback is still running. Knex's own commit and rollback come after it. Known of blocks and in sandboxes only. */
  isCallbackRunning = false;
  /** Its end was asked for, by knex or, where it is no block, by hand. */
  isEndAsked = false;
  /** Blocks with `savepoint: false` that run in it. */
  joined = 0;
  /** Made with a callback that returns no promise, and that commits by hand. */
  isByCallback = false;
  /** Control was taken of it when it was open already. */
  isAdopted = false;
  /** It was told which connection to use, and whoever took that one gives it back. */
  isGiven = false;
  /** A control statement is being handed to knex: it passes every gate. */
  isStepping = false;
  /** The first statement error that no rollback to a savepoint has undone. */
  firstError: unknown;
  hadFatal = false;
  fatalHooksRan = false;
  /** A statement of the user's that ended the transaction behind our back. */
  endedBy: { sql: string; rolledBack: boolean } | undefined;
  /** What it is being rolled back for. */
  reason: unknown;
  /** Why its COMMIT was cancelled, if it was. */
  interruption: unknown;
  /** What the callback returned. */
  value: unknown;
  /** What `verifyCommit` recorded before COMMIT. */
  recorded: Recorded | undefined;
  afterCommitError: Error | undefined;
  /** The hooks that it had when it was rolled back. */
  lastHooks: Timeline | undefined;
  /** What a query failed of that the callback did not wait for. */
  unheard: unknown;
  /** Queries and inner blocks that were started inside and are not done. */
  pending = 0;
  onDrained: (() => void) | undefined;
  /** Statements of its own that wait for their turn or have it; counted in sandboxes only. */
  running = 0;
  /** Held open for a sandbox. */
  readonly held: HeldSpec | undefined;
  /** Settle knex's promise. */
  resolve: (value: unknown) => void = () => {};
  reject: (error: unknown) => void = () => {};
  /** Sends ROLLBACK or ROLLBACK TO, known from BEGIN on. */
  undo: Undo = async () => {};
  /** Hears what knex would have settled the transaction with, while a control statement is under way. */
  onStep: ((isResolved: boolean, error: unknown) => void) | undefined;
  #children: Set<Scope> | undefined;
  #timeline: Timeline | undefined;
  #earlierTenant: Tenant | undefined;
  #leaveParent: (() => void) | undefined;
  #decided: Deferred<void> | undefined;
  #over: Deferred<void> | undefined;
  #isOver = false;
  /** How many resets there had been when it was made. */
  readonly #resets: number;

  constructor(instance: Instance, trx: KnexTransaction, { parent, block, stack, standsAlone, held }: ScopeDetails) {
    this.instance = instance;
    this.#resets = instance.resets;
    this.trx = trx;
    this.parent = parent;
    this.block = block;
    this.stack = stack;
    this.standsAlone = standsAlone;
    this.held = held;
    this.root = parent?.root ?? this;
    this.outermost = parent && !standsAlone ? parent.outermost : this;
    this.depth = parent && !standsAlone ? parent.depth + 1 : 1;
    if (parent?.block) this.#leaveParent = parent.enter();
    if (parent) parent.#children = (parent.#children ?? new Set()).add(this);
    block?.onScope(this);
  }

  get id(): string {
    return this.trx.txid;
  }

  get name(): string {
    return this.label ?? this.id;
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

  get sandbox(): Holder | undefined {
    return this.held?.holder;
  }

  get isSavepoint(): boolean {
    return this.parent !== undefined;
  }

  /** The transaction around it has ended, or is about to. In a sandbox only its root's end counts. */
  get isOutlived(): boolean {
    if (this.session.turns) return this.isSavepoint && this.root.phase !== 'open';
    return this.parent !== undefined && (this.parent.phase !== 'open' || this.parent.isOutlived);
  }

  get isCommitting(): boolean {
    return this.phase === 'committing';
  }

  get isOver(): boolean {
    return this.outcome !== undefined;
  }

  get children(): ReadonlySet<Scope> {
    return this.#children ?? NONE;
  }

  /** The hooks of the whole transaction. */
  get timeline(): Timeline {
    const { outermost } = this;
    outermost.#timeline ??= new Timeline();
    return outermost.#timeline;
  }

  get hasHooks(): boolean {
    const timeline = this.outermost.#timeline;
    return timeline !== undefined && !timeline.isEmpty;
  }

  /** The error that a statement asked now gets; undefined: it is sent, or knex says that the transaction is over. */
  get refusal(): unknown {
    if (this.isStepping) return undefined;
    return this.doom ?? this.parent?.refusal;
  }

  /** Whether an error is fatal to it. A broken socket may be that of a service which the callback called: it counts where the connection is gone. */
  hasLost(error: unknown): boolean {
    const { session, root, instance } = this;
    if (root.hadFatal) return true;
    if (!instance.isFatal(error)) return false;
    const isGone = !session || session.fatal !== undefined || session.death !== undefined;
    return isGone || !isSocketError(error) || instance.settings.isFatal !== undefined;
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

  /** Knex asks some steps after it was made: a reset may have begun in between, and whoever was there before is not to touch the database after it. */
  ask(): void {
    const { resets, latestReset } = this.instance;
    if (this.#resets === resets || this.isSavepoint || latestReset?.waiting !== 'reject') return;
    throw new ResetError({ reason: latestReset.reason, generation: resets });
  }

  acquired(connection: object, isGiven = false): void {
    const { instance } = this;
    this.isGiven = isGiven;
    this.session = this.parent?.session ?? sessionOf(connection) ?? instance.pool.trackForeign(connection);
    this.phase = 'beginning';
    if (this.isSavepoint) return;
    this.#earlierTenant = this.session.tenant;
    this.session.tenant = this;
    instance.opened(this);
  }

  begin(send: Send, undo: Undo): Promise<unknown> {
    this.undo = undo;
    const begun = begin(this, send);
    const { held } = this;
    return held ? begun.then(() => new Promise(() => held.begun(this))) : begun;
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
    this.onStep?.(true, undefined);
  }

  stepRejected(error: unknown): void {
    if (this.onStep) this.onStep(false, error);
    else this.reject(error);
  }

  takeTurn(): Promise<() => void> | undefined {
    return this.session.turns && !this.isStepping ? takeTurn(this, this.session.turns) : undefined;
  }

  giveBack(connection: object): void {
    // A reset may have given it to somebody else.
    if (this.isSavepoint || this.session?.tenant === this) void this.trx.client.releaseConnection(connection);
  }

  ended(failure: { error: unknown } | undefined): unknown {
    if (this.parent) this.parent.#children?.delete(this);
    this.#leaveParent?.();
    this.instance.closed(this);
    // It was told which connection to use: that has its earlier tenant again.
    if (this.session?.tenant === this) this.session.tenant = this.#earlierTenant;
    return this.outcome ? conclude(this) : this.#neverBegun(failure?.error);
  }

  /** It was open when control was taken of it. Knex gives its connection back, and waits for nothing that comes after. */
  adopted(connection: object, undo: Undo): void {
    this.acquired(connection);
    this.undo = undo;
    this.phase = 'open';
    this.isAdopted = true;
    guardClient(this);
  }

  // Its outcome, from exit.ts and conclude.ts.

  decide(outcome: Outcome): void {
    if (this.outcome) return;
    this.outcome = outcome;
    this.phase = 'over';
    this.#decided?.resolve();
    if (outcome.kind === 'committed') this.resolve(outcome.value);
    else if (outcome.kind === 'rolledBack' && outcome.resolves) this.resolve(undefined);
    else this.reject(outcome.error);
    if (this.isAdopted) void Promise.resolve(this.ended(undefined)).catch(() => {});
  }

  concluded(): void {
    this.#isOver = true;
    this.#over?.resolve();
  }

  // From the connection. Only the root is its tenant.

  answered(sql: string, error: unknown, result: unknown): unknown {
    return answered(this, { sql, error, result });
  }

  readied(sql: string): void {
    readied(this, sql);
  }

  lost(error: Error): void {
    lost(this, error);
  }

  // From what runs inside.

  letIn(asked: Asked | undefined): Promise<object> {
    return letIn(this, asked);
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

  /** The parent need not wait for it. */
  leaveParent(): void {
    this.#leaveParent?.();
  }

  /** The transactions inside that are open or about to be. */
  openInside(): Scope[] {
    return [...this.children].filter((child) => !child.isOver).flatMap((child) => [child, ...child.openInside()]);
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

  describe(): OpenTransaction {
    // One that is about to begin has none of its own yet.
    const session = this.session ?? this.root.session;
    const isFailed = this.firstError !== undefined;
    const state = session.running > 0 ? 'running' : isFailed ? 'failed' : 'idle';
    return {
      ...describeUnregistered(session, this.id, state),
      label: this.label,
      openedAt: new Date(this.openedAt),
      ageMillis: Date.now() - this.openedAt,
      depth: 1 + this.openInside().filter(({ phase }) => phase !== 'waiting').length,
      stack: userFrames(this.stack.stack),
    };
  }
}
