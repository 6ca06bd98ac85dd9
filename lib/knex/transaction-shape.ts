// The shape of knex's Transaction, as far as this package relies on it: the machine behind a `trx`, with one subclass per dialect.
// check-knex.ts names a field that a new knex does not have, and a contract spec what it does otherwise.
import type { Knex } from 'knex';
import type { KnexClient } from './client-shape';
import type { Shape } from './shape';
import type { Container, TransactionConfig } from './transaction-request';

export interface KnexTransaction extends PromiseLike<unknown> {
  txid: string;
  client: TransactionMaker;
  /** The client that its queries go through. Set once it has a connection. */
  trxClient: TransactionMaker | undefined;
  outerTx: KnexTransaction | null;
  /** What a savepoint inside names as its parent. Since 3.2. */
  transactor?: Knex.Transaction | undefined;
  userParams?: object;
  /** What BEGIN asked for. */
  isolationLevel?: string;
  readOnly?: boolean;
  /** Whether a rollback by hand without an error resolves. */
  doNotRejectOnRollback?: boolean;
  _completed: boolean;
  /** Resolves when the transactions inside it are over that were made so far. */
  _lastChild: Promise<unknown>;
  /** Settle the transaction's `executionPromise`, and by it the transaction. */
  _resolver(value: unknown): void;
  _rejecter(error: unknown): void;
  isCompleted(): boolean;
  emit(event: string, ...told: unknown[]): boolean;
  acquireConnection(
    config: TransactionConfig | undefined,
    work: (connection: object) => Promise<unknown>,
  ): Promise<unknown>;
  _evaluateContainer(config: TransactionConfig | undefined, container: Container): Promise<unknown>;
  /** All of it that comes after. Since 3.2. */
  _onAcquire(container: Container, connection: object): Promise<unknown>;
  /** Sends a control statement. What fails is told to the `_rejecter`. */
  query(connection: object, sql: string): Promise<unknown>;
  begin(connection: object): Promise<unknown>;
  savepoint(connection: object): Promise<unknown>;
  commit(connection: object, value?: unknown): Promise<unknown>;
  release(connection: object, value?: unknown): Promise<unknown>;
  rollback(connection: object, error?: unknown): Promise<unknown>;
  rollbackTo(connection: object, error?: unknown): Promise<unknown>;
  catch(onRejected: (error: unknown) => unknown): Promise<unknown>;
}

/** Of one that was asked for with `FULL_CONFIG`, before its first step. */
export const TRANSACTION: Shape<KnexTransaction, 'then'> = {
  txid: 'string',
  client: 'object',
  trxClient: 'present',
  outerTx: 'present',
  userParams: 'object',
  isolationLevel: 'string',
  readOnly: 'boolean',
  doNotRejectOnRollback: 'boolean',
  isCompleted: 'function',
  emit: 'function',
  acquireConnection: 'function',
  query: 'function',
  begin: 'function',
  savepoint: 'function',
  commit: 'function',
  release: 'function',
  rollback: 'function',
  rollbackTo: 'function',
  catch: 'function',
  _completed: 'boolean',
  _lastChild: 'object',
  _evaluateContainer: 'function',
  // Since 3.2.
  _onAcquire: 'optional',
  transactor: 'optional',
  // See below.
  _resolver: 'optional',
  _rejecter: 'optional',
};

export const FULL_CONFIG = {
  userParams: {},
  isolationLevel: 'serializable',
  readOnly: true,
  doNotRejectOnRollback: true,
} as const;

/** What a transaction has from its BEGIN on, and settles itself by. */
export const SETTLED_BY = ['_resolver', '_rejecter'] as const;

export type TransactionClass = new (...args: never[]) => KnexTransaction;

/** A client, by the method that makes its transactions. */
export interface TransactionMaker extends KnexClient {
  transaction(container: Container, config?: TransactionConfig, outer?: KnexTransaction | null): KnexTransaction;
}
