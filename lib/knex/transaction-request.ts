// What a transaction is asked of knex with.
import type { Knex } from 'knex';

export type Container = (trx: Knex.Transaction) => unknown;
export type TransactionConfig = Knex.TransactionConfig & { connection?: object; [key: symbol]: unknown };
