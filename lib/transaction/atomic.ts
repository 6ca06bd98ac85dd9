// Transaction blocks: `db.atomic()`, `trx.atomic()` and `atomic(dbOrTrx, …)`.
import { inheritBatchInsert } from '../knex/batch-insert';
import { makeOutermost } from '../knex/transaction-class';
import type { Knex } from 'knex';
import type { Container, TransactionConfig } from '../knex/transaction-request';
import { refuse } from '../words/options';
import { captureCallSite, type CallSite } from '../words/call-site';
import type { AtomicOptions, AtomicTransaction, Awaitable } from '../words/block-types';
import { takeControlOf } from './take-control';
import { batchInsertInBlock } from './batch-insert';
import { BLOCK } from './begin';
import { join, prepareBlock } from './block';
import { checkAtomic } from './block-options';
import { asTransaction, controlledBy, transactionOf } from './find-transaction';
import { watchInner } from './inner-block';
import { type Limit, limited } from './limit';
import { type Attempt, attempts } from './retry';
import type { Transaction } from './transaction';
import type { BlockSpec } from './transaction-details';
import type { TransactionHost } from './transaction-host';
import { type LateHook, LATE_HOOKS } from './hook-table';
import { register } from './register-hook';

type Block<T> = (trx: AtomicTransaction) => Awaitable<T>;

/** What is asked for, and where. */
interface BlockRequest<T> {
  block: Block<T>;
  options: unknown;
  stack: CallSite;
  /** The instance or copy that it was asked of. */
  userParams?: unknown;
  /** The instance of a transaction that knex has begun before, if that instance is resettable. */
  instance?: TransactionHost | undefined;
}

/** `db.atomic`. */
export function runOutermost<T>(instance: TransactionHost, asked: BlockRequest<T>): Promise<T> {
  const enclosing = asTransaction(instance.ambient.current());
  return enclosing?.handle && instance.settings.ambient
    ? runInTransaction(enclosing.handle, asked)
    : runOnInstance(instance, asked);
}

async function runOnInstance<T>(instance: TransactionHost, asked: BlockRequest<T>): Promise<T> {
  const { block, options: given, stack } = asked;
  const options = checkAtomic(block, given);
  const { client, driver, knex } = instance;
  for (const key of ['verifyCommit', 'deferrable'] as const) {
    if (options[key] && !driver.isPostgres)
      refuse(`atomic: ${key} with ${driver.name}`, options[key], 'it on PostgreSQL only');
  }
  if (options.readOnly && !driver.begin)
    refuse(`atomic: readOnly with ${driver.name}`, options.readOnly, 'it where knex begins read-only transactions');
  const userParams = (asked.userParams ?? knex.userParams) as Knex.TransactionConfig['userParams'];
  return limited(options, (limit) =>
    attempts(instance, options, limit, (attempt) => {
      const { isolationLevel, readOnly } = options;
      return runIn({ attempt, options, limit, block, stack }, (container, spec) => {
        const config = { userParams, isolationLevel, readOnly, [BLOCK]: spec };
        return makeOutermost(client, container, config as TransactionConfig);
      });
    }),
  );
}

/** `trx.atomic`, and the function form on any transaction of a resettable instance. */
export function runInTransaction<T>(trx: Knex.Transaction, asked: BlockRequest<T>): Promise<T> {
  return watchInner(runNested(trx, asked), () => transactionOf(trx));
}

async function runNested<T>(trx: Knex.Transaction, asked: BlockRequest<T>): Promise<T> {
  const { block, options: given, stack, instance } = asked;
  const options = checkAtomic(block, given);
  if (!transactionOf(trx)) await takeControlOf(trx, instance);
  const outer = transactionOf(trx);
  if (outer) prepareBlock(outer, options);
  if (outer && options.savepoint === false) {
    if (options.hooks) outer.hooks.addAll(outer, options.hooks);
    // A builder that is returned runs when it is first awaited, which must happen in the context too.
    return join(outer, () => outer.inContext(async () => await block(equipped(trx))));
  }
  const attempt: Attempt = { number: outer?.attempt ?? 1, transaction: undefined };
  return limited(options, (limit) =>
    runIn(
      { attempt, options, limit, block, stack },
      (container, spec) => trx.transaction(container as never, { [BLOCK]: spec } as never) as never,
    ),
  );
}

const hookGetter = (kind: LateHook): PropertyDescriptor => ({
  get(this: Knex.Transaction) {
    return (hook: unknown) => register(controlledBy(this), kind, hook);
  },
});

/** What a block's handle has beside knex's own: inherited, and made when it is asked for. */
const BLOCK_METHODS: PropertyDescriptorMap = {
  atomic: {
    get(this: Knex.Transaction): AtomicTransaction['atomic'] {
      return atomicIn(this);
    },
  },
  attempt: {
    get(this: Knex.Transaction) {
      return controlledBy(this).attempt;
    },
  },
  batchInsert: { value: batchInsertInBlock, writable: true, configurable: true },
  ...Object.fromEntries(LATE_HOOKS.map((kind) => [kind, hookGetter(kind)])),
};

/** With them, by what a handle inherits without. */
const equippedPrototypes = new WeakMap<object, object>();

function atomicIn(handle: Knex.Transaction): AtomicTransaction['atomic'] {
  return function atomic(block, options) {
    return runInTransaction(handle, { block, options, stack: captureCallSite(atomic) });
  };
}

function equipped(handle: Knex.Transaction): AtomicTransaction {
  const inherited = Object.getPrototypeOf(handle) as object;
  let prototype = equippedPrototypes.get(inherited);
  if (!prototype) {
    prototype = Object.create(inherited, BLOCK_METHODS) as object;
    equippedPrototypes.set(inherited, prototype).set(prototype, prototype);
  }
  if (prototype !== inherited) {
    Object.setPrototypeOf(handle, prototype);
    if (Object.hasOwn(handle, 'batchInsert')) inheritBatchInsert(handle);
  }
  return handle as AtomicTransaction;
}

/** One transaction around the block. */
async function runIn<T>(
  run: { attempt: Attempt; options: AtomicOptions; limit: Limit; block: Block<T>; stack: CallSite },
  make: (container: Container, spec: BlockSpec<Transaction>) => PromiseLike<unknown>,
): Promise<T> {
  const { attempt, options, limit, block, stack } = run;
  const onTransaction = (transaction: Transaction) => {
    attempt.transaction = transaction;
    limit.watch(transaction);
  };
  const spec: BlockSpec<Transaction> = {
    options,
    attempt: attempt.number,
    callbacks: attempt.callbacks,
    limit,
    stack,
    onTransaction,
  };
  // Always a promise: a transaction ends with it, and a block is never left open.
  const container: Container = async (handle) => block(equipped(handle));
  return (await make(container, spec)) as T;
}
