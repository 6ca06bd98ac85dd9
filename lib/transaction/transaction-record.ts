// What is known of one transaction or savepoint, and of its place among those around and inside it.
import { shown } from '../words/describe';
import type { Knex } from 'knex';
import { isSocketError } from '../drivers/error-codes';
import { TransactionFailedError } from '../words/errors';
import type { KnexTransaction } from '../knex/insides';
import type { Undo } from '../knex/transaction-class';
import { describeUnregistered, type SandboxOwner, type Instance } from '../pool/instance';
import type { Connection } from '../connection/connection';
import { type CallSite, userFrames } from '../words/call-site';
import type { OpenTransaction } from '../words/types';
import type { Transaction } from './transaction';
import type { BlockSpec, HeldSpec, Outcome, Phase, TransactionDetails } from './transaction-details';
import { HookRegister } from './hooks';
import type { Recorded } from './verify-commit';

const NONE: ReadonlySet<Transaction> = new Set();

export abstract class TransactionRecord {
  readonly instance: Instance;
  readonly parent: Transaction | undefined;
  /** The one that has BEGIN and COMMIT. */
  readonly root: Transaction;
  /** The outermost one for the user: the root, but for those that a sandbox is around. */
  readonly outermost: Transaction;
  readonly emulatesRoot: boolean;
  readonly trx: KnexTransaction;
  readonly block: BlockSpec | undefined;
  readonly depth: number;
  readonly openedAt = Date.now();
  readonly stack: CallSite;
  connection!: Connection;
  handle: Knex.Transaction | undefined;
  phase: Phase = 'waiting';
  outcome: Outcome | undefined;
  /** Why nothing more may be asked in it; the error that it will end with. */
  doom: unknown;
  /** The server has confirmed its BEGIN or SAVEPOINT. */
  hasBegun = false;
  /** Its users know that it is over, though knex has not ended it. */
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
  /** It uses a connection that it was given: the code that took the connection gives it back. */
  usesCallersConnection = false;
  /** A control statement is being handed to knex: it passes every gate. */
  isStepping = false;
  /** The first statement error that no rollback to a savepoint has undone. */
  firstError: unknown;
  hadFatal = false;
  fatalHooksRan = false;
  /** A statement of the user's that ended the transaction behind our back. */
  endedByStatement: { sql: string; rolledBack: boolean; wasRestarted?: boolean } | undefined;
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
  lastHooks: HookRegister | undefined;
  /** What a query failed of that the callback did not wait for. */
  unawaitedFailure: unknown;
  /** Queries and inner blocks that were started inside and are not done. */
  pending = 0;
  onDrained: (() => void) | undefined;
  /** Statements of its own that wait for their turn or have it; counted in sandboxes only. */
  running = 0;
  readonly held: HeldSpec | undefined;
  /** Settle knex's promise. */
  resolve: (value: unknown) => void = () => {};
  reject: (error: unknown) => void = () => {};
  /** Sends ROLLBACK or ROLLBACK TO, known from BEGIN on. */
  undo: Undo = async () => {};
  /** The control statement that is under way: what knex would have rejected the transaction with. */
  step: { failure: { error: unknown } | undefined } | undefined;
  #children: Set<Transaction> | undefined;
  #timeline: HookRegister | undefined;
  #leaveParent: (() => void) | undefined;

  constructor(instance: Instance, trx: KnexTransaction, details: TransactionDetails) {
    const { parent, block, stack, emulatesRoot, held } = details;
    const self = this as unknown as Transaction;
    this.instance = instance;
    this.trx = trx;
    this.parent = parent;
    this.block = block;
    this.stack = stack;
    this.emulatesRoot = emulatesRoot;
    this.held = held;
    this.root = parent?.root ?? self;
    this.outermost = parent && !emulatesRoot ? parent.outermost : self;
    this.depth = parent && !emulatesRoot ? parent.depth + 1 : 1;
    if (parent?.block) this.#leaveParent = parent.enter();
    parent?.addChild(self);
  }

  get id(): string {
    return this.trx.txid;
  }

  get name(): string {
    return shown(this.label ?? this.id);
  }

  get label(): string | undefined {
    return this.block?.options.label ?? (this.isOutermost ? undefined : this.parent?.label);
  }

  get attempt(): number {
    return this.block?.attempt ?? (this.isOutermost ? undefined : this.parent?.attempt) ?? 1;
  }

  get isOutermost(): boolean {
    return (this.outermost as TransactionRecord) === this;
  }

  get sandbox(): SandboxOwner | undefined {
    return this.held?.holder;
  }

  get isSavepoint(): boolean {
    return this.parent !== undefined;
  }

  /** The transaction around it has ended, or is about to. In a sandbox only its root's end counts. */
  get parentHasEnded(): boolean {
    if (this.connection.mutex.isShared) return this.isSavepoint && this.root.phase !== 'open';
    return this.parent !== undefined && (this.parent.phase !== 'open' || this.parent.parentHasEnded);
  }

  get isCommitting(): boolean {
    return this.phase === 'committing';
  }

  get isOver(): boolean {
    return this.outcome !== undefined;
  }

  get children(): ReadonlySet<Transaction> {
    return this.#children ?? NONE;
  }

  /** The hooks of the whole transaction. */
  get hooks(): HookRegister {
    const { outermost } = this;
    outermost.#timeline ??= new HookRegister();
    return outermost.#timeline;
  }

  get hasHooks(): boolean {
    const timeline = this.outermost.#timeline;
    return timeline !== undefined && !timeline.isEmpty;
  }

  /** The error that a statement asked now gets; undefined: it is sent, or knex says that the transaction is over. */
  get refusal(): unknown {
    if (this.isStepping) return undefined;
    // Made only if it is used: an error costs as much as the way of a query through here.
    if (this.held && (this.phase === 'ending' || this.phase === 'over')) this.doom ??= this.held.holder.closed();
    return this.doom ?? this.parent?.refusal;
  }

  /** Whether an error is fatal to it. A broken socket may be that of a service which the callback called: it counts where the connection is gone. */
  hasLost(error: unknown): boolean {
    const { connection, root, instance } = this;
    if (root.hadFatal) return true;
    if (!instance.isFatal(error)) return false;
    const isGone = !connection || connection.fatal !== undefined || connection.death !== undefined;
    return isGone || !isSocketError(error) || instance.settings.isFatal !== undefined;
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

  /** The same in each one around it. */
  enterAround(): () => void {
    if (!this.parent) return () => {};
    const leave = this.parent.enter();
    const leaveOuter = this.parent.enterAround();
    return () => {
      leave();
      leaveOuter();
    };
  }

  /** The parent need not wait for it. */
  leaveParent(): void {
    this.#leaveParent?.();
  }

  addChild(child: Transaction): void {
    this.#children = (this.#children ?? new Set()).add(child);
  }

  removeChild(child: Transaction): void {
    this.#children?.delete(child);
  }

  /** The transactions inside that are open or about to be. */
  openInside(): Transaction[] {
    return [...this.children].filter((child) => !child.isOver).flatMap((child) => [child, ...child.openInside()]);
  }

  /** The error of one that has not done what its callback takes for done. */
  failure(message: string, cause: unknown): TransactionFailedError {
    return new TransactionFailedError(message, { cause, transaction: this.describe() });
  }

  /** Runs code of the user's so that what it asks of the instance itself is asked in here, where that is wanted. */
  inContext<T>(work: () => T): T {
    const { settings, ambient } = this.instance;
    return settings.ambient || this.root.sandbox ? ambient.run(this as unknown as Transaction, work) : work();
  }

  describe(): OpenTransaction {
    // One that is about to begin has none of its own yet.
    const connection = this.connection ?? this.root.connection;
    const isFailed = this.firstError !== undefined;
    const state = connection.running > 0 ? 'running' : isFailed ? 'failed' : 'idle';
    return {
      ...describeUnregistered(connection, this.id, state),
      label: this.label,
      openedAt: new Date(this.openedAt),
      ageMillis: Date.now() - this.openedAt,
      depth: 1 + this.openInside().filter(({ phase }) => phase !== 'waiting').length,
      stack: userFrames(this.stack),
    };
  }
}
