// Transactions that are held open by this package itself, for a sandbox: begun like any other, and only ever rolled back. A sandbox inside
// another has a savepoint.
import { BEGIN } from '../drivers/sql';
import type { SandboxTransaction as Held, SandboxOwner } from '../pool/sandboxes';
import type { CallSite } from '../words/call-site';
import { SavepointMutex, SET_SAVEPOINT } from '../connection/savepoint-mutex';
import { makeInside, makeOutermost } from '../knex/inner-transaction';
import type { StepResult } from '../knex/transaction-port';
import type { OpenTransaction } from '../words/types';
import type { OwnerDetails } from './connection-owner';
import { sendControl } from './control';
import type { ControlledTransaction } from './exit';
import { letGo } from './let-go';
import { RootTransaction } from './root';
import { Savepoint } from './savepoint';
import type { EndingStatement } from './server-view';
import type { Failure } from './state';
import type { Transaction } from './transaction';
import type { HeldSpec } from './transaction-details';
import type { TransactionHost } from './transaction-host';

type Spec = HeldSpec<ControlledTransaction>;

/** Rides in the config of a transaction that is held open for a sandbox. */
export const HELD = Symbol('knex-reset.held');

/** Begins it. Everything on its connection takes turns from then on. */
export async function openSandboxTransaction(
  { acquireTimeoutMillis, client, knex, settings }: TransactionHost,
  holder: SandboxOwner,
  stack: CallSite,
): Promise<Held> {
  const transaction = (await held({ holder, stack }, (spec) =>
    makeOutermost(client, neverCalled, { userParams: knex.userParams, [HELD]: spec }),
  )) as SandboxTransaction;
  const { connection } = transaction;
  const mutex = new SavepointMutex(connection, {
    hasSavepoint: connection.driver.takesScripts === true,
    waitMillis: acquireTimeoutMillis,
    timeoutMillis: settings.timeoutMillis,
    onEscape: (sql) => transaction.escaped(sql),
    onSilence: (error) => transaction.doom(error),
  });
  connection.lease.mutex = mutex;
  return new OpenSandboxTransaction(transaction, holder, mutex);
}

/** Resolves when it is open. It has neither a handle nor a callback that would end it. */
function held(
  { holder, stack }: Pick<Spec, 'holder' | 'stack'>,
  make: (spec: Spec) => PromiseLike<unknown>,
): Promise<ControlledTransaction> {
  return new Promise((resolve, reject) => void make({ holder, stack, begun: resolve }).then(undefined, reject));
}

/** A transaction by handle may stay open while others come and go: they are begun inside, as none of them could wait for its end. */
export function innermostHandle(transaction: Transaction): Transaction {
  for (const child of transaction.children) {
    if (child.isOpen && !child.work.isCallbackRunning) return innermostHandle(child);
  }
  return transaction;
}

const neverCalled = () => {};

/** Holds a transaction open for its owner, until the owner lets go of it. */
class Hold {
  readonly owner: SandboxOwner;
  readonly #begun: Spec['begun'];
  #closed: Failure | undefined;

  constructor({ holder, begun }: Spec) {
    this.owner = holder;
    this.#begun = begun;
  }

  /** It has begun. The promise that its end would settle never settles. */
  open(transaction: ControlledTransaction): Promise<never> {
    return new Promise(() => this.#begun(transaction));
  }

  /** What is asked in a sandbox that was closed. Made only if it is used: an error costs as much as the way of a query through here. */
  refusal({ state, isOver }: ControlledTransaction): Failure | undefined {
    if (state.is === 'rollingBack' || isOver) this.#closed ??= { error: this.owner.closed() };
    return this.#closed;
  }
}

export class SandboxTransaction extends RootTransaction {
  readonly #hold: Hold;

  constructor(details: OwnerDetails, spec: Spec) {
    super(details);
    this.#hold = new Hold(spec);
  }

  override get sandbox(): SandboxOwner {
    return this.#hold.owner;
  }

  override get refusal(): Failure | undefined {
    return super.refusal ?? this.#hold.refusal(this);
  }

  override async begin(): Promise<unknown> {
    await super.begin();
    return this.#hold.open(this);
  }

  /** BEGIN comes with the savepoint for its first query. */
  protected override sendBegin(): Promise<StepResult> {
    const { connection, port } = this;
    if (!connection.driver.takesScripts) return super.sendBegin();
    return sendControl(this, () => port.sendBy(() => connection.sendAll([BEGIN, SET_SAVEPOINT])));
  }

  /** It may be closed as soon as an error is heard. */
  protected override get isHeard(): boolean {
    return this.isOpen || this.state.is === 'rollingBack';
  }

  protected override endedByUser(by: EndingStatement): void {
    // If it is noticed only at the end of the sandbox itself, it still has to be reported.
    this.doom(this.sandbox.escaped(by.sql));
  }

  /** A query has taken the savepoint away that it had, and with it the transaction. */
  escaped(sql: string): void {
    const by = { sql, rolledBack: false, wasRestarted: false };
    this.view.endedBy = by;
    this.follow({ is: 'endedByUser', by });
  }
}

export class SandboxSavepoint extends Savepoint {
  readonly #hold: Hold;

  constructor(details: ConstructorParameters<typeof Savepoint>[0], spec: Spec) {
    super(details);
    this.#hold = new Hold(spec);
  }

  override get sandbox(): SandboxOwner {
    return this.#hold.owner;
  }

  override get refusal(): Failure | undefined {
    return super.refusal ?? this.#hold.refusal(this);
  }

  override async begin(): Promise<unknown> {
    await super.begin();
    return this.#hold.open(this);
  }
}

// A class: an object literal with getters has a hidden class of its own each time, which V8 keeps, with all that it refers to, until a full collection.
class OpenSandboxTransaction implements Held {
  readonly #holder: SandboxOwner;
  readonly #mutex: SavepointMutex;

  constructor(
    readonly enclosing: ControlledTransaction,
    holder: SandboxOwner,
    mutex: SavepointMutex,
  ) {
    this.#holder = holder;
    this.#mutex = mutex;
  }

  get doom(): unknown {
    // A connection that had a fatal error is about to end.
    const { enclosing } = this;
    return (enclosing.ownRefusal ?? enclosing.root.ownRefusal)?.error ?? enclosing.connection.fatal;
  }

  get isBusy(): boolean {
    return this.#holder.guests.size > 0 || this.enclosing.openInside().some((inner) => inner.work.running > 0);
  }

  async nest(holder: SandboxOwner, stack: CallSite): Promise<Held> {
    const { trx } = innermostHandle(this.enclosing).port;
    const inner = await held({ holder, stack }, (spec) => makeInside(trx, neverCalled, { [HELD]: spec }));
    return new OpenSandboxTransaction(inner, holder, this.#mutex);
  }

  describeInside(): OpenTransaction[] {
    return this.enclosing.openInside().map((inner) => inner.describe());
  }

  letGo(constraintCheck: string | undefined): Promise<unknown> {
    return letGo(this.enclosing, this.#mutex, constraintCheck);
  }
}
