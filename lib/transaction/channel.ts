// Publishes what happens to transactions on the channel `knex-reset:transaction`.
import { channel } from 'node:diagnostics_channel';
import type { OpenTransaction, TransactionEvent } from '../words/types';

/** A transaction, as far as its subscribers have to do with it. */
interface Published {
  readonly isOutermost: boolean;
  readonly hasBegun: boolean;
  describe(): OpenTransaction;
}

const transactions = channel('knex-reset:transaction');

/** Savepoints publish nothing, nor does the end of a transaction that never began. */
export function publish(event: TransactionEvent['event'], transaction: Published, error?: unknown): void {
  if (!transactions.hasSubscribers || !transaction.isOutermost || !transaction.hasBegun) return;
  const message: TransactionEvent = { event, transaction: transaction.describe() };
  if (error !== undefined) message.error = error;
  transactions.publish(message);
}
