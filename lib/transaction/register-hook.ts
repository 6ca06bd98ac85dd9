// Hooks that are registered in a transaction by code that was handed the transaction, or asks within it.
import type { Knex } from 'knex';
import { checkCallable } from '../words/options';
import type { TransactionHook } from '../words/block-types';
import { controlledBy, transactionOf } from './find-transaction';
import type { LateHook } from './hook-table';
import { takeControlOf } from './take-control';
import type { Enclosing } from './enclosing';
import type { TransactionHost } from './transaction-host';

/** What `trx.afterCommit(hook)` and the like do. @throws TypeError for anything but a function; where the transaction is finished, what has ended it, or an Error that says so */
export function register(transaction: Enclosing, kind: LateHook, hook: unknown): void {
  checkCallable(`${kind}()`, hook, 'a function');
  if (!transaction.isUsable) {
    const { refusal, name } = transaction;
    throw refusal ? refusal.error : finished(kind, name);
  }
  transaction.hooks.add(transaction, kind, hook as TransactionHook);
}

/** The same by a handle, at once; in a transaction that knex began without this package, as soon as control of it is taken. */
export async function registerBy(
  trx: Knex.Transaction,
  kind: LateHook,
  hook: TransactionHook,
  instance: TransactionHost | undefined,
): Promise<void> {
  if (!transactionOf(trx)) {
    // The connection of a finished transaction may have another user by now.
    if (trx.isCompleted()) throw finished(kind, 'of this handle');
    await takeControlOf(trx, instance);
  }
  register(controlledBy(trx), kind, hook);
}

function finished(kind: LateHook, name: string): Error {
  return new Error(`${kind}(): transaction ${name} is finished, so the hook would never run`);
}
