// Transactions that are held open by this package itself, for a sandbox: begun like any other, and only ever rolled back. A sandbox inside
// another has a savepoint.
import { BEGIN } from '../drivers/sql';
import type { SandboxTransaction as Held, SandboxOwner } from '../pool/sandboxes';
import type { CallSite } from '../words/call-site';
import { SavepointMutex, SET_SAVEPOINT } from '../connection/savepoint-mutex';
import { makeInside, makeOutermost } from '../knex/transaction-class';
import type { StepResult } from '../knex/transaction-port';
import type { OpenTransaction } from '../words/types';
import type { OwnerDetails } from './connection-owner';
import { sendControl } from './control-statements';
import type { ControlledTransaction } from './controlled-transaction';
import { letGo } from './end-of-sandbox';
import { RootTransaction } from './root';
import { isUndone, Savepoint } from './savepoint';
import type { EndingStatement } from './server-view';
import type { Failure } from '../words/failure';
import type { Transaction } from './transaction';
import { HELD, held, type HeldSpec, Hold } from './hold';
import type { TransactionHost } from './transaction-host';

/** In the config of a transaction that is held open: one on a connection of its own, or a savepoint. */
export interface HeldConfig {
  readonly outermost?: HeldSpec<SandboxTransaction>;
  readonly inside?: HeldSpec<SandboxSavepoint>;
}

/** Begins it. Everything on its connection takes turns from then on. */
export async function openSandboxTransaction(
  { acquireTimeoutMillis, client, knex, settings }: TransactionHost,
  holder: SandboxOwner,
  stack: CallSite,
): Promise<Held> {
  const transaction = await held<SandboxTransaction>({ holder, stack }, (outermost) => {
    const config: HeldConfig = { outermost };
    return makeOutermost(client, neverCalled, { userParams: knex.userParams, [HELD]: config });
  });
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

/** A transaction by handle may stay open while others come and go: they are begun inside, as none of them could wait for its end. */
export function innermostHandle(transaction: Transaction): Transaction {
  for (const child of transaction.children) {
    if (child.isOpen && !child.work.isCallbackRunning) return innermostHandle(child);
  }
  return transaction;
}

const neverCalled = () => {};

export class SandboxTransaction extends RootTransaction {
  readonly #hold: Hold<SandboxTransaction>;

  constructor(details: OwnerDetails, spec: HeldSpec<SandboxTransaction>) {
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
    this.follow(this.view.endedByUser({ sql, hasCommitted: false, wasRestarted: false }));
  }
}

export class SandboxSavepoint extends Savepoint {
  readonly #hold: Hold<SandboxSavepoint>;

  constructor(details: ConstructorParameters<typeof Savepoint>[0], spec: HeldSpec<SandboxSavepoint>) {
    super(details);
    this.#hold = new Hold(spec);
  }

  /** It goes on where the one that it was opened in was committed. */
  override get parentHasEnded(): boolean {
    return isUndone(this.parent);
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
    const inner = await held<SandboxSavepoint>({ holder, stack }, (inside) => {
      const config: HeldConfig = { inside };
      return makeInside(trx, neverCalled, { [HELD]: config });
    });
    return new OpenSandboxTransaction(inner, holder, this.#mutex);
  }

  describeInside(): OpenTransaction[] {
    return this.enclosing.openInside().map((inner) => inner.describe());
  }

  letGo(constraintCheck: string | undefined): Promise<unknown> {
    return letGo(this.enclosing, this.#mutex, constraintCheck);
  }
}
