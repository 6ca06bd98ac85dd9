// How a transaction of a resettable instance begins: knex makes it, and a `Transaction` takes control of it before its first step.
import type { Knex } from 'knex';
import type { TransactionRequest } from '../knex/client-class';
import { makeInside, makeWithWait } from '../knex/transaction-class';
import { control } from '../knex/transaction-controller';
import { TransactionPort } from '../knex/transaction-port';
import type { Container, TransactionConfig } from '../knex/transaction-request';
import type { KnexTransaction } from '../knex/transaction-shape';
import { connectionOf } from '../connection/connection';
import type { StatementQueue } from '../connection/statement-queue';
import { ASKED_AT, type CallSite, captureCallSite } from '../words/call-site';
import { prepareBlock } from './block';
import { borrowTurn } from './control-statements';
import type { ControlledTransaction } from './controlled-transaction';
import { asTransaction, transactionOfClient, transactionOfKnex } from './find-transaction';
import { HELD } from './hold';
import { RootTransaction } from './root';
import { type HeldConfig, innermostHandle, SandboxSavepoint, SandboxTransaction } from './sandbox-transaction';
import { EmulatedRoot } from './emulated-root';
import { Savepoint } from './savepoint';
import type { Transaction } from './transaction';
import type { BlockSpec, TransactionDetails } from './transaction-details';
import type { TransactionHost } from './transaction-host';
import { waitForSiblings } from './sandbox-waits';

/** Rides in a transaction's config from `atomic()` to here. */
export const BLOCK = Symbol('knex-reset.block');

/** Marks a transaction that is a savepoint only because it runs in a sandbox. */
const STANDS_ALONE = Symbol('knex-reset.stands-alone');

/** Marks a transaction that is begun on a connection which its beginner was lent inside another one. */
const BORROWS_TURN = Symbol('knex-reset.borrows-turn');

type Make = (
  container: Container,
  config: TransactionConfig | undefined,
  outer: KnexTransaction | null,
) => KnexTransaction;

export function beginTransaction(
  instance: TransactionHost,
  client: object,
  asked: TransactionRequest,
  make: Make,
): KnexTransaction {
  const { config, container } = asked;
  const enclosing = asked.isInside ? undefined : enclosingOf(instance, config);
  if (enclosing) return beginInside(instance, enclosing, asked);
  const parent = transactionOfKnex(asked.outer) ?? (asked.isInside ? transactionOfClient(client) : undefined);
  const block = config?.[BLOCK] as BlockSpec<Transaction> | undefined;
  const emulatesRoot = config?.[STANDS_ALONE] === true;
  const held = config?.[HELD] as HeldConfig | undefined;
  if (block && parent && !emulatesRoot) prepareBlock(parent, block.options);
  const askedAt = config?.[ASKED_AT] as CallSite | undefined;
  const stack = (block ?? held?.outermost ?? held?.inside)?.stack ?? askedAt ?? captureCallSite(asked.entry);

  const borrowsTurn = config?.[BORROWS_TURN] === true;
  const { outer = null } = asked;
  const makeOurs = () => make((handle) => start(transaction, handle, container), config, outer);
  const waitIn = (around: Transaction) =>
    borrowsTurn ? Promise.resolve() : waitForSiblings(around, () => transaction);
  const trx = outer && parent?.connection.mutex.isShared ? makeWithWait(outer, waitIn(parent), makeOurs) : makeOurs();
  const transaction = makeTransaction(
    { instance, port: new TransactionPort(trx), parent, block, stack },
    { emulatesRoot, held },
  );
  if (borrowsTurn) borrowTurn(transaction);
  control(trx, transaction);
  return trx;
}

function makeTransaction(
  { parent, ...details }: TransactionDetails<Transaction>,
  { emulatesRoot, held }: { emulatesRoot: boolean; held: HeldConfig | undefined },
): ControlledTransaction {
  if (parent && held?.inside) return new SandboxSavepoint({ ...details, parent }, held.inside);
  if (parent && emulatesRoot) return new EmulatedRoot({ ...details, parent });
  if (parent) return new Savepoint({ ...details, parent });
  return held?.outermost
    ? new SandboxTransaction({ ...details, parent }, held.outermost)
    : new RootTransaction({ ...details, parent });
}

/** The transaction that one asked of the instance has to run in: by its context, or because its connection is lent inside that. */
function enclosingOf({ ambient }: TransactionHost, config: TransactionConfig | undefined): Transaction | undefined {
  const current = asTransaction(ambient.current());
  if (!config?.connection) return current;
  const lent = connectionOf(config.connection);
  if (!lent || lent.lease.guests.length === 0) return undefined;
  return current?.connection === lent ? current : asTransaction(lent.user);
}

/** A transaction of the instance that has to run in another one: by its context, or because a sandbox is open. */
function beginInside(
  instance: TransactionHost,
  enclosing: Transaction,
  { container, config }: TransactionRequest,
): KnexTransaction {
  const isInSandbox = enclosing.root.sandbox !== undefined;
  const outer = isInSandbox ? innermostHandle(enclosing) : enclosing;
  const emulatesRoot = isInSandbox && (enclosing.sandbox !== undefined || !instance.settings.ambient);
  const isOnLent = config?.connection !== undefined;
  const onLent = isOnLent ? { [BORROWS_TURN]: true, enforceForeignCheck: null } : {};
  const work = isOnLent && isInSandbox ? asSchemaChange(enclosing.connection, container) : container;
  const given = { ...config, ...onLent, [STANDS_ALONE]: emulatesRoot };
  return makeInside(outer.port.trx, work, given);
}

/** Knex's schema changes on SQLite: what was lent the connection waits for the transaction that is begun on it. */
function asSchemaChange(connection: StatementQueue, container: Container): Container {
  const { schemaChange } = connection.driver;
  if (!schemaChange) return container;
  return async (trx) => {
    await connection.send(schemaChange.before);
    try {
      return await container(trx);
    } finally {
      await connection.send(schemaChange.after);
    }
  };
}

/** What knex takes for the callback: tells the transaction when the real one runs and when it is done. */
function start(transaction: ControlledTransaction, handle: Knex.Transaction, container: Container): unknown {
  transaction.port.handle = handle;
  const { instance, block, work } = transaction;
  if (instance.settings.hooks) transaction.hooks.addAll(transaction, instance.settings.hooks, !transaction.isOutermost);
  if (block?.options.hooks) transaction.hooks.addAll(transaction, block.options.hooks);
  work.isCallbackRunning = true;
  if (!transaction.hasHooks) return run(transaction, handle, container);
  return afterHooks(counted(transaction, afterBegin(transaction)), () => run(transaction, handle, container));
}

/** Another attempt at its block would wait for it. */
function counted<T extends PromiseLike<unknown>>({ outermost }: Transaction, callback: T): T {
  outermost.block?.callbacks?.watch(callback);
  return callback;
}

/** None of them ends the transaction by hand: its callback would not be called, and it would be told as done. */
async function afterBegin(transaction: ControlledTransaction): Promise<void> {
  const { work, hooks } = transaction;
  work.isInHooks = true;
  try {
    await transaction.inContext(() => hooks.runAfterBegin(transaction));
  } finally {
    work.isInHooks = false;
  }
}

function run(transaction: ControlledTransaction, handle: Knex.Transaction, container: Container): unknown {
  // A limit, a reset or the death of the connection came meanwhile: the callback is not called any more.
  const { state, refusal } = transaction;
  if (state.is !== 'open' || refusal) throw refusal ? refusal.error : transaction.endReason;
  const result = transaction.inContext(() => started(container(handle)));
  if (isThenable(result)) return counted(transaction, result);
  transaction.work.isCallbackRunning = false;
  transaction.port.endsByCallback = !isResolver(container);
  // It stays open for as long as its holder likes.
  transaction.leaveParent();
  return result;
}

/** A returned builder runs when it is first awaited, which must happen inside the transaction's context. */
function started(result: unknown): unknown {
  if (!isThenable(result) || result instanceof Promise) return result;
  return new Promise((resolve, reject) => void result.then(resolve, reject));
}

/** Knex ends the transaction with a callback's promise, and leaves it open where there is none: hooks must not change that. */
async function afterHooks(hooks: Promise<void>, work: () => unknown): Promise<unknown> {
  await hooks;
  const result = work();
  return isThenable(result) ? result : new Promise(() => {});
}

/** Knex makes a handle with a promise's own resolve function as the callback. */
function isResolver(container: Container): boolean {
  return container.name === '' && Function.prototype.toString.call(container).includes('[native code]');
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}
