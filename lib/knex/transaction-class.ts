// A dialect's Transaction class with its steps put into a controller's hands. The statements stay knex's own.
import { knexPrototypeOf } from './client-class';
import type { Guard } from './guard';
import { markTransaction, transactionIdOf } from './insides';
import type { Container, KnexClient, KnexTransaction, TransactionClass, TransactionConfig } from './insides';
import { makeTransactionClient } from './transaction-client';
import { runCallback } from './transaction-callback';
import type { Steps, TransactionPort } from './transaction-port';
import { TransactionHandles } from './transaction-handle';

/** Decides at each step of one transaction (or savepoint) what knex would decide by itself. */
export interface TransactionController extends Guard {
  readonly port: TransactionPort;
  /** Only in name inside of its outer transaction, and not over because that one is. */
  readonly emulatesRoot: boolean;
  /** It is about to ask for a connection. Throws where it must not. */
  ask(): void;
  /** It has a connection, which nothing was sent on yet. */
  acquired(connection: object, usesCallersConnection?: boolean): void;
  /** BEGIN or SAVEPOINT. The callback is called once it has resolved. */
  begin(): Promise<unknown>;
  /** The callback's promise has resolved. Never rejects. */
  returned(value: unknown): void;
  /** The callback has thrown, or its promise has rejected. Never rejects. */
  threw(error: unknown): void;
  /** COMMIT or RELEASE, asked for by hand. */
  commit(value: unknown): Promise<unknown>;
  /** ROLLBACK or ROLLBACK TO, asked for by hand. */
  rollback(error: unknown): Promise<unknown>;
  isCompleted(): boolean;
  /** It needs its connection no more. */
  giveBack(connection: object): void;
  /**
   * Everything is over. Returns what comes out of the transaction, or a promise of it; rejects where it failed.
   * @param failure what went wrong, which is all there is to say where it never had a connection
   */
  ended(failure: { error: unknown } | undefined): unknown;
}

const ignore = () => {};

const CONTROLLER = Symbol('knex-reset.controller');

interface Controlled extends KnexTransaction {
  [CONTROLLER]: TransactionController;
}

type ControlledClass = new (client: KnexClient, ...args: MakeArgs) => KnexTransaction;
export type MakeArgs = [container: Container, config: TransactionConfig | undefined, outer: KnexTransaction | null];

const classes = new WeakMap<object, ControlledClass>();
/** What a dialect makes its transactions with, by its `transaction()`: where that does nothing else, the step through it can be left out. */
const classesByFactory = new WeakMap<object, ControlledClass>();
const MERE_FACTORY = /^transaction\(.*\)\s*\{\s*return new \w+\(this, [^;]*\);?\s*\}$/;

/**
 * Has knex make a transaction whose class is ours. Its first one is made by knex's own means and changed before its first step,
 * because knex does not show the class.
 */
export function makeControlled(
  client: KnexClient,
  factory: (...args: MakeArgs) => KnexTransaction,
  args: MakeArgs,
): KnexTransaction {
  const own = knexPrototypeOf(client);
  const known = classesByFactory.get(own.transaction);
  if (known) return new known(client, ...args);
  const trx = factory(...args);
  const controlled = controlledClassOf(trx);
  if (MERE_FACTORY.test(Function.prototype.toString.call(own.transaction)))
    classesByFactory.set(own.transaction, controlled);
  return Object.setPrototypeOf(trx, controlled.prototype) as KnexTransaction;
}

/** Gives a transaction its controller, before its first step. */
export function control(trx: KnexTransaction, controller: TransactionController): void {
  (trx as Controlled)[CONTROLLER] = controller;
}

export function controlledClassOf(trx: KnexTransaction): ControlledClass {
  const prototype = Object.getPrototypeOf(trx) as { constructor: TransactionClass };
  let controlled = classes.get(prototype);
  if (!controlled) {
    const handles = new TransactionHandles(prototype.constructor);
    controlled = makeControlledClass(prototype.constructor, handles) as unknown as ControlledClass;
    classes.set(prototype, controlled);
  }
  return controlled;
}

export function controllerOf(trx: KnexTransaction | null | undefined): TransactionController | undefined {
  return (trx as Partial<Controlled> | null | undefined)?.[CONTROLLER];
}

/** Its control statements are known from here on. */
function begin(controller: TransactionController, steps: Steps): Promise<unknown> {
  controller.port.prepare(steps);
  return controller.begin();
}

function makeControlledClass(Base: TransactionClass, handles: TransactionHandles) {
  // Since knex 3.2.
  const isSplit = '_onAcquire' in Base.prototype;
  return class extends Base {
    declare [CONTROLLER]: TransactionController;

    // Knex's own does the same, but gives the connection back without asking, and has the last word after it.
    override async acquireConnection(
      config: TransactionConfig | undefined,
      work: (connection: object) => Promise<unknown>,
    ): Promise<unknown> {
      const controller = this[CONTROLLER];
      const given = config?.connection;
      let failure: { error: unknown } | undefined;
      try {
        const preparing = handles.prepare(this.client);
        if (preparing) await preparing;
        controller.ask();
        const connection = given ?? (await this.client.acquireConnection());
        const earlierId = transactionIdOf(connection);
        try {
          controller.acquired(connection, given !== undefined && given !== null);
          markTransaction(connection, this.txid);
          await work(connection);
        } finally {
          markTransaction(connection, earlierId);
          if (!given) controller.giveBack(connection);
        }
      } catch (error) {
        failure = { error };
      }
      return controller.ended(failure);
    }

    override _evaluateContainer(config: TransactionConfig | undefined, container: Container) {
      if (isSplit) return super._evaluateContainer(config, container);
      return this.acquireConnection(config, (connection) => this._onAcquire(container, connection));
    }

    // From BEGIN to the end, with a client and a handle that cost less than knex's.
    override _onAcquire(container: Container, connection: object) {
      const controller = this[CONTROLLER];
      this.trxClient = makeTransactionClient(this, connection, { guard: controller, refuse: handles.refuse });
      const begun = this.client.transacting ? this.savepoint(connection) : this.begin(connection);
      const execution = controller.port.whenSettled();
      begun
        .then(() => runCallback(container, handles.make(this, connection, execution), controller))
        .catch((error: unknown) => controller.port.rejected(error));
      return execution;
    }

    override begin(connection: object) {
      return begin(this[CONTROLLER], {
        begin: () => super.begin(connection),
        commit: () => super.commit(connection),
        rollback: (error) => super.rollback(connection, error),
      });
    }

    override savepoint(connection: object) {
      return begin(this[CONTROLLER], {
        begin: () => super.savepoint(connection),
        commit: () => super.release(connection),
        rollback: (error) => super.rollbackTo(connection, error),
      });
    }

    override commit(_connection: object, value?: unknown) {
      return this[CONTROLLER].commit(value);
    }

    override release(_connection: object, value?: unknown) {
      return this[CONTROLLER].commit(value);
    }

    override rollback(_connection: object, error?: unknown) {
      return this[CONTROLLER].rollback(error);
    }

    override rollbackTo(_connection: object, error?: unknown) {
      return this[CONTROLLER].rollback(error);
    }

    override isCompleted() {
      const controller = this[CONTROLLER];
      return controller.isCompleted() || (controller.emulatesRoot ? this._completed : super.isCompleted());
    }

    // Knex calls them at each step that it takes for the last. What a successful one means is decided by its answer.
    // @ts-expect-error an accessor instead of knex's plain field
    override get _resolver() {
      return ignore;
    }

    // @ts-expect-error an accessor instead of knex's plain field
    override get _rejecter() {
      return (error: unknown) => this[CONTROLLER].port.rejected(error);
    }
  };
}
