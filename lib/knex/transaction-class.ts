// A dialect's Transaction class with its steps put into a controller's hands. The statements stay knex's own.
import { markTransaction, transactionIdOf } from './connection-mark';
import { FastHandles } from './fast-handle/fast-handles';
import { guardClient, unfenced } from './guard';
import { runCallback, CONTROLLER, type TransactionController } from './transaction-controller';
import { withOnAcquire, withOutcome, withSteps } from './controlled-steps';
import type { Container, TransactionConfig } from './transaction-request';
import type { KnexTransaction, TransactionClass, TransactionMaker } from './transaction-shape';

type ControlledClass = new (client: TransactionMaker, ...args: MakeArgs) => KnexTransaction;
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
  client: TransactionMaker,
  factory: TransactionMaker['transaction'],
  args: MakeArgs,
): KnexTransaction {
  const known = classesByFactory.get(factory);
  if (known) return new known(client, ...args);
  const trx = factory.apply(client, args);
  const controlled = controlledClassOf(trx);
  if (MERE_FACTORY.test(Function.prototype.toString.call(factory))) classesByFactory.set(factory, controlled);
  return Object.setPrototypeOf(trx, controlled.prototype) as KnexTransaction;
}

export function controlledClassOf(trx: KnexTransaction): ControlledClass {
  const prototype = Object.getPrototypeOf(trx) as { constructor: TransactionClass };
  let controlled = classes.get(prototype);
  if (!controlled) {
    const handles = new FastHandles(prototype.constructor);
    controlled = makeControlledClass(prototype.constructor, handles) as unknown as ControlledClass;
    classes.set(prototype, controlled);
  }
  return controlled;
}

function makeControlledClass(Base: TransactionClass, handles: FastHandles): TransactionClass {
  return withLife(withOutcome(withSteps(withOnAcquire(Base))), handles);
}

/** Works on a connection, and gives it back unless that is its caller's. */
async function use(
  trx: KnexTransaction & { [CONTROLLER]: TransactionController },
  { connection, isCallers }: { connection: object; isCallers: boolean },
  work: (connection: object) => Promise<unknown>,
): Promise<void> {
  const controller = trx[CONTROLLER];
  const earlierId = transactionIdOf(connection);
  try {
    controller.acquired(connection, isCallers);
    markTransaction(connection, trx.txid);
    await work(connection);
  } finally {
    markTransaction(connection, earlierId);
    if (!isCallers) controller.giveBack(connection);
  }
}

/** From the connection that it acquires to the one that it gives back. */
function withLife(Base: TransactionClass, handles: FastHandles): TransactionClass {
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
        // Another reset may have begun when it goes on.
        for (let waiting = controller.ask(given); waiting; waiting = controller.ask(given)) await waiting;
        const connection = given ?? unfenced(await this.client.acquireConnection());
        await use(this, { connection, isCallers: given !== undefined && given !== null }, work);
      } catch (error) {
        failure = { error };
      }
      return controller.ended(failure);
    }

    // From BEGIN to the end. The callback's promise is not knex's to see: its end is the controller's.
    override _onAcquire(container: Container, connection: object) {
      const controller = this[CONTROLLER];
      if (handles.areUsable) return handles.run(this, connection, { container, controller });
      const execution = super._onAcquire((handle) => runCallback(container, handle, controller), connection);
      guardClient(this.trxClient as TransactionMaker, controller);
      return execution;
    }
  };
}

// How transactions are asked of knex. Those inside another begin one after the other: each waits for the promise of the one before, without a bound.

/** Makes a transaction inside one that has begun, as its handle does. */
export function makeInside(outer: KnexTransaction, container: Container, config: TransactionConfig): KnexTransaction {
  return (outer.trxClient as TransactionMaker).transaction(
    container,
    { doNotRejectOnRollback: true, ...config },
    outer,
  );
}

/** Makes a transaction inside `outer` that waits for another promise instead: where that rejects, so does the transaction. */
export function makeWithWait(
  outer: KnexTransaction,
  wait: Promise<unknown>,
  make: () => KnexTransaction,
): KnexTransaction {
  outer._lastChild = wait;
  return make();
}

/** An outermost transaction, as its handle would make it: a rollback by hand without a reason resolves. */
export function makeOutermost(client: object, container: Container, config: TransactionConfig): KnexTransaction {
  return (client as TransactionMaker).transaction(container, { doNotRejectOnRollback: true, ...config });
}
