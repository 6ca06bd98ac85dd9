// What happens to transactions, for whoever subscribes: `knex-reset:transaction`.
import { channel } from 'node:diagnostics_channel';
import type { OpenTransaction } from '../types';

const transactions = channel('knex-reset:transaction');

export type TransactionEvent = 'begin' | 'commit' | 'rollback' | 'fatal' | 'unknown';

export function publish(event: TransactionEvent, scope: { describe(): OpenTransaction }, error?: unknown): void {
  if (!transactions.hasSubscribers) return;
  transactions.publish({ event, transaction: scope.describe(), ...(error === undefined ? {} : { error }) });
}
