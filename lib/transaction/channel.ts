// What happens to transactions, for whoever subscribes: `knex-reset:transaction`.
import { channel } from 'node:diagnostics_channel';
import type { OpenTransaction, TransactionEvent } from '../types';

const transactions = channel('knex-reset:transaction');

export function publish(
  event: TransactionEvent['event'],
  scope: { describe(): OpenTransaction },
  error?: unknown,
): void {
  if (!transactions.hasSubscribers) return;
  const message: TransactionEvent = { event, transaction: scope.describe() };
  if (error !== undefined) message.error = error;
  transactions.publish(message);
}
