// One transaction or savepoint: its state, and its place among those around and inside it. Subclasses send its statements.
import type { Knex } from 'knex';
import type { Connection } from '../connection/connection';
import { describeUse } from '../pool/open-entry';
import { isSocketError } from '../drivers/fatal-errors';
import type { Recorded } from '../drivers/pg/commit-status';
import type { TransactionPort } from '../knex/transaction-port';
import type { SandboxOwner } from '../pool/sandboxes';
import { type CallSite, type QueryOrigin, userFrames } from '../words/call-site';
import { shown } from '../words/describe';
import { KnexResetError, ResetError, TransactionFailedError } from '../words/errors';
import type { OpenTransaction } from '../words/types';
import type { Deadline } from '../words/waiting';
import { publish } from './channel';
import type { Enclosing } from './enclosing';
import { HookRegister } from './hooks';
import type { ServerView } from './server-view';
import { Nested } from './life';
import type { Failure } from '../words/failure';
import type { State } from './state';
import type { BlockSpec, TransactionDetails } from './transaction-details';
import type { TransactionHost } from './transaction-host';
import { Work } from './work';

export abstract class Transaction extends Nested<Transaction> implements Enclosing {
  readonly instance: TransactionHost;
  readonly port: TransactionPort;
  readonly parent: Transaction | undefined;
  /** The one that has BEGIN and COMMIT. */
  abstract readonly root: Transaction;
  /** The outermost one for the user: the root, but for those that a sandbox is around. */
  abstract readonly outermost: Transaction;
  /** What the server says of the root. */
  abstract readonly view: ServerView;
  readonly block: BlockSpec<Transaction> | undefined;
  readonly openedAt = Date.now();
  readonly stack: CallSite;
  readonly work = new Work();
  connection!: Connection;
  #hooks: HookRegister | undefined;

  constructor({ instance, port, parent, block, stack }: TransactionDetails<Transaction>) {
    super();
    this.instance = instance;
    this.port = port;
    this.parent = parent;
    this.block = block;
    this.stack = stack;
    parent?.addChild(this);
  }

  /** What a statement asked now is refused with; undefined: it is sent, or knex says that the transaction is over. */
  get refusal(): Failure | undefined {
    return this.ownRefusal ?? this.parent?.refusal;
  }

  protected override arrived(to: State): void {
    if (to.is === 'open') publish('begin', this);
    else if (to.is !== 'beginning' && to.is !== 'draining') this.work.wake();
  }

  // What the classes differ in.

  /** What a statement that is asked gets, which dooms a transaction that a statement of the user's has ended. */
  abstract refuse(): Failure | undefined;
  /** Its connection is taken inside, and given back: by queries, for as long as they run, and by hand. */
  abstract taken(): void;
  abstract givenBack(): void;
  /** Lets a query of the instance in, when it is its turn. Rejects where nothing may be asked any more. */
  abstract enlist(asked: QueryOrigin | undefined): Promise<object>;
  /** The connection is still that of this transaction, or of the one around it. */
  abstract readonly hasConnection: boolean;
  /** Its connection is its own, for as long as it lasts. */
  abstract readonly ownsConnection: boolean;
  /** COMMIT or RELEASE, and what the answer means. */
  abstract sendCommit(value: unknown, recorded: Recorded | undefined): Promise<void>;
  /** ROLLBACK or ROLLBACK TO was answered. */
  abstract wasUndone(deadline: Deadline): Promise<void>;
  /** It was not, or with an error. */
  abstract wasNotUndone(error: unknown, failure: unknown): void;
  /** A query was asked after a statement had ended it. */
  abstract askedAfterEnd(): void;
  /** Runs code of the user. If the instance is ambient, its queries in that code are in this transaction. */
  abstract inContext<T>(work: () => T): T;

  get id(): string {
    return this.port.id;
  }

  get handle(): Knex.Transaction | undefined {
    return this.port.handle;
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

  get depth(): number {
    return this.isOutermost || !this.parent ? 1 : 1 + this.parent.depth;
  }

  get isOutermost(): boolean {
    return this.outermost === this;
  }

  /** Whose sandbox it holds open. */
  get sandbox(): SandboxOwner | undefined {
    return undefined;
  }

  get standsAlone(): boolean {
    return this.isOutermost || this.sandbox !== undefined;
  }

  /** The hooks of the whole transaction. */
  get hooks(): HookRegister {
    const { outermost } = this;
    outermost.#hooks ??= new HookRegister();
    return outermost.#hooks;
  }

  get hasHooks(): boolean {
    return this.outermost.#hooks?.isEmpty === false;
  }

  // Its end for its holders, by a reset or the death of its connection.

  /** Ends it for its holders; the caller ends it on the server. Returns the error of what runs: one of ours, as Knex writes SQL into others. */
  abort(error: Error): Error | undefined {
    if (this.isOver || this.isCommitting) return undefined;
    const own =
      error instanceof ResetError && error.transaction?.id !== this.id
        ? new ResetError({ reason: error.reason, generation: error.generation, transaction: this.describe() })
        : error;
    const told = this.isAborted ? this.ownRefusal?.error : this.aborted(own);
    for (const child of this.children) child.abort(told as Error);
    return told instanceof KnexResetError ? told : own;
  }

  /** Settles what `abort()` left open. */
  abstract settle(): void;
  /** Ends it from outside: it rejects with the error, but where its COMMIT was quicker. */
  abstract interrupt(error: unknown): Promise<void>;

  /** Whether an error is fatal to it. A broken socket may be that of a service which the callback called: it counts where the connection is gone. */
  hasLost(error: unknown): boolean {
    const { connection, view, instance } = this;
    if (view.isFatal) return true;
    if (!instance.isFatal(error)) return false;
    const isGone = !connection || connection.fatal !== undefined || connection.death !== undefined;
    return isGone || !isSocketError(error) || instance.settings.isFatal !== undefined;
  }

  /** The error of one that has not done what its callback takes for done. */
  failure(message: string, cause: unknown): TransactionFailedError {
    return new TransactionFailedError(message, { cause, transaction: this.describe() });
  }

  describe(): OpenTransaction {
    // One that is about to begin has none of its own yet.
    const connection = this.connection ?? this.root.connection;
    const state = connection.running > 0 ? 'running' : this.view.firstError === undefined ? 'idle' : 'failed';
    return {
      ...describeUse(connection, this.id, state),
      label: this.label,
      openedAt: new Date(this.openedAt),
      ageMillis: Date.now() - this.openedAt,
      depth: 1 + this.openInside().filter((inner) => inner.state.is !== 'acquiring').length,
      stack: userFrames(this.stack),
    };
  }
}
