// `afterCommit()`, `beforeCommit()` and `afterRollback()` as functions: for code that is given an instance or a transaction.
import type { Knex } from 'knex';
import type { TransactionHook, TransactionHookContext } from './words/block-types';
import { lookAt } from './knex/given';
import { describe } from './words/describe';
import { checkCallable } from './words/options';
import { refuseOtherCopy, registeredAround, registeredFor, refuseUnregistered } from './registry';
import type { LateHook } from './transaction/hook-table';
import { register, registerBy } from './transaction/register-hook';
import { asTransaction } from './transaction/find-transaction';

/**
 * Runs `hook` once the work that it belongs to is stored: after the outermost COMMIT of a transaction, at once where there is none.
 *
 * | first argument | what happens |
 * | --- | --- |
 * | a transaction of any kind: a block's, a plain handle, a savepoint, a migration's | `hook` is registered in it. It is dropped when the transaction, or the savepoint, is rolled back |
 * | an instance, inside an `ambient` block, or in a transaction inside a sandbox | the same, in the innermost transaction |
 * | an instance, outside of any transaction | `hook` runs at once: `trx` of its context is the instance, `depth` is 0 |
 *
 * @example
 * async function order(dbOrTrx: Knex, item: string) {
 *   await dbOrTrx('orders').insert({ item });
 *   await afterCommit(dbOrTrx, () => sendMail('ann'));
 * }
 *
 * @returns a promise of the registration, or of the hook that ran at once
 * @throws TypeError when the first argument is neither a transaction nor a resettable instance, or `hook` is no function
 * @throws Error when the transaction is finished
 * @see docs/transactions.md#hooks-from-anywhere
 */
export async function afterCommit(dbOrTrx: Knex | Knex.Transaction, hook: TransactionHook): Promise<void> {
  const isRegistered = await enlistHook('afterCommit', dbOrTrx, hook);
  if (!isRegistered) await hook(contextOutside(dbOrTrx));
}

/**
 * Runs `hook` in the transaction, right before its outermost COMMIT. What it throws rolls the transaction back.
 * It can be given what `afterCommit()` can, but for an instance outside of any transaction.
 *
 * @example
 * await beforeCommit(trx, async () => {
 *   const [row] = await trx('accounts').sum('balance as sum');
 *   if (Number(row?.sum) < 0) throw new Error('the books do not balance');
 * });
 *
 * @returns a promise of the registration
 * @throws TypeError for anything else, and for an instance outside of any transaction
 * @throws Error when the transaction is finished
 * @see docs/transactions.md#hooks-from-anywhere
 */
export async function beforeCommit(dbOrTrx: Knex | Knex.Transaction, hook: TransactionHook): Promise<void> {
  if (!(await enlistHook('beforeCommit', dbOrTrx, hook))) refuseOutside('beforeCommit', dbOrTrx);
}

/**
 * Runs `hook` after the transaction, or the savepoint that it is registered in, was rolled back; `context.error` says why.
 * It can be given what `afterCommit()` can, but for an instance outside of any transaction.
 *
 * @example
 * await afterRollback(trx, ({ error }) => console.log('nothing was stored:', error));
 *
 * @returns a promise of the registration
 * @throws TypeError for anything else, and for an instance outside of any transaction
 * @throws Error when the transaction is finished
 * @see docs/transactions.md#hooks-from-anywhere
 */
export async function afterRollback(dbOrTrx: Knex | Knex.Transaction, hook: TransactionHook): Promise<void> {
  if (!(await enlistHook('afterRollback', dbOrTrx, hook))) refuseOutside('afterRollback', dbOrTrx);
}

/** Registers the hook before anything else can happen, where control of the transaction is taken. Undefined: outside of any transaction. */
function enlistHook(kind: LateHook, dbOrTrx: unknown, hook: unknown): Promise<true> | undefined {
  checkCallable(`${kind}()`, hook, 'a function as the hook');
  const { client, isTransaction } = lookAt(dbOrTrx);
  refuseOtherCopy(`${kind}()`, client);
  if (isTransaction && client) {
    return registerBy(dbOrTrx as Knex.Transaction, kind, hook as TransactionHook, registeredAround(client)).then(
      () => true,
    );
  }
  const instance = registeredFor(client);
  if (!instance)
    refuseUnregistered(`${kind}()`, dbOrTrx, 'a resettable Knex instance, made by resettable(), or a transaction');
  const enclosing = asTransaction(instance.ambient.current());
  // A sandbox is no transaction of the app's: what the app does outside of one counts as stored at once, as in production.
  if (!enclosing || enclosing.sandbox) return undefined;
  register(enclosing, kind, hook);
  return Promise.resolve(true);
}

function contextOutside(db: Knex): TransactionHookContext {
  return Object.freeze({
    trx: db as Knex.Transaction,
    id: '',
    label: undefined,
    depth: 0,
    attempt: 1,
    error: undefined,
    fatal: false,
  });
}

function refuseOutside(kind: LateHook, dbOrTrx: unknown): never {
  throw new TypeError(
    `${kind}(): expected a transaction, or an instance inside an ambient block, but was given ${describe(dbOrTrx)} outside of any transaction`,
  );
}
