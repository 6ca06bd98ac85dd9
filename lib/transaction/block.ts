// A block's rules inside a transaction: what may be asked of a nested one, its hooks, its time limit.
import { DurableError } from '../words/errors';
import { refuse } from '../words/options';
import type { AtomicOptions, Awaitable } from '../words/block-types';
import { within } from '../words/waiting';
import { endWithin, rollBack } from './roll-back';
import type { Transaction } from './transaction';

/** Checks what a nested block asks for against what the outer one gives. @throws DurableError TypeError before any SQL. */
export function prepareBlock(parent: Transaction, options: AtomicOptions): void {
  if (options.durable) throw new DurableError(parent.label ?? parent.id);
  const { isolationLevel, readOnly } = parent.outermost.trx;
  const outer = { isolationLevel, readOnly, deferrable: parent.outermost.block?.options.deferrable };
  for (const key of ['isolationLevel', 'readOnly', 'deferrable'] as const) {
    const asked = options[key];
    if (asked === undefined || asked === outer[key] || (asked === false && !outer[key])) continue;
    refuse(
      `atomic: ${key} on a nested block`,
      asked,
      `nothing, or what the outermost block has (${String(outer[key] ?? 'the default')})`,
    );
  }
  for (const key of ['retry', 'verifyCommit'] as const) {
    if (options[key]) refuse(`atomic: ${key} on a nested block`, options[key], 'it on the outermost block only');
  }
}

/** A block with `savepoint: false`: it runs in the outer one, which its failure dooms. */
export async function join<T>(outer: Transaction, block: () => Awaitable<T>): Promise<T> {
  outer.joined++;
  try {
    return await block();
  } catch (error) {
    const { name } = outer;
    outer.doom ??= outer.failure(`transaction ${name} was doomed by the failure of a block that joined it`, error);
    throw error;
  } finally {
    outer.joined--;
  }
}

/** Ends a block from outside of its callback: cancelled on the server, rolled back, rejected with the error. */
export async function interrupt(transaction: Transaction, error: unknown): Promise<void> {
  const { instance, connection } = transaction;
  if (transaction.outcome || transaction.phase === 'ending') return;
  // There will be no other attempt that the end of its callback would have to be waited for.
  if (transaction.isAborted) return transaction.settle();
  if (transaction.phase === 'committing') {
    // The answer decides. A COMMIT that waits, for a deferred check or a lock, is cancelled like any statement.
    transaction.interruption = error;
    const { timeoutMillis } = instance.settings;
    await connection.cancel(timeoutMillis);
    await within(timeoutMillis, transaction.whenOver);
    if (!transaction.outcome) void instance.pool.discard(connection);
    return;
  }
  transaction.doom = error;
  transaction.onDrained?.();
  // One without a connection is stopped once it gets one; a BEGIN that is not answered leaves a connection of no use.
  // A savepoint's connection belongs to the transaction around it.
  if (transaction.phase === 'beginning' && !transaction.isSavepoint) void instance.pool.discard(connection);
  if (transaction.phase !== 'open') return;
  endWithin(transaction, error);
  await rollBack(transaction, error);
}
