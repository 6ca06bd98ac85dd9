// The shape of knex's Transaction, as far as this package relies on it: the machine behind a `trx`, with one subclass per dialect.
// A contract spec fails by name where knex changes one of these fields.
import type { Knex } from 'knex';
import type { KnexClient } from './client-shape';
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
  begin(connection: object): Promise<unknown>;
  savepoint(connection: object): Promise<unknown>;
  commit(connection: object, value?: unknown): Promise<unknown>;
  release(connection: object, value?: unknown): Promise<unknown>;
  rollback(connection: object, error?: unknown): Promise<unknown>;
  rollbackTo(connection: object, error?: unknown): Promise<unknown>;
  catch(onRejected: (error: unknown) => unknown): Promise<unknown>;
}

export type TransactionClass = new (...args: never[]) => KnexTransaction;

/** A client, by the method that makes its transactions. */
export interface TransactionMaker extends KnexClient {
  transaction(container: Container, config?: TransactionConfig, outer?: KnexTransaction | null): KnexTransaction;
}
