// The shapes of knex's undocumented insides that this package relies on. Each is held by a contract spec that fails by name when knex changes.
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Knex } from 'knex';
import { read } from '../words/foreign';

/** What knex expects of the object in `client.pool`. Official since 3.3 (`connectionPool`), and all that it uses before. */
export interface KnexPool {
  /** Ours: an idle connection at once, or undefined where `acquire()` has to be asked. */
  lendNow?(): object | undefined;
  acquire(): { promise: Promise<object> };
  release(connection: object): boolean;
  destroy(): Promise<unknown>;
}

/** A knex dialect client: the object behind every instance, copy and transaction. */
export interface KnexClient extends EventEmitter {
  config: { connection?: unknown; pool?: object; connectionPool?: unknown; [key: string]: unknown };
  driverName: string;
  dialect: string;
  driver: unknown;
  version?: unknown;
  valueForUndefined?: unknown;
  pool: KnexPool | undefined;
  logger: { warn(message: string): void };
  connectionSettings: Record<string, unknown> | undefined;
  searchPath?: unknown;
  /** Set on the client of a transaction. */
  transacting?: boolean;
  /** The function form of `connection` in the config, and whether it is to be asked again. */
  connectionConfigProvider?: () => unknown;
  connectionConfigExpirationChecker?: (() => boolean) | null;
  /** False for a pool that the user gave (`connectionPool`): knex never destroys it. */
  _ownsPool?: boolean;
  acquireConnection(): Promise<object>;
  releaseConnection(connection: object): Promise<void>;
  acquireRawConnection(): Promise<object>;
  destroyRawConnection(connection: object): Promise<unknown>;
  setSchemaSearchPath?(connection: object): Promise<unknown>;
  initializePool(config?: object): void;
  getPoolSettings(poolConfig: object | undefined): { create(): Promise<object> };
  destroy(callback?: (error?: unknown) => void): Promise<void>;
  transaction(container: Container, config?: TransactionConfig, outer?: KnexTransaction | null): KnexTransaction;
  runner(builder: object): Runner;
  queryBuilder(): object;
  schemaBuilder(): object;
  raw(...args: unknown[]): object;
  query(connection: object, statement: unknown): Promise<unknown>;
  /** Hands one statement to the driver. */
  _query(connection: object, statement: { sql: string }): Promise<unknown>;
  _stream(connection: object, statement: { sql: string }, reader: Duplex, options: unknown): Promise<unknown>;
  stream(connection: object, statement: unknown, stream: Duplex, options: unknown): Promise<unknown>;
}

export type ClientClass = new (...args: never[]) => KnexClient;
export type Container = (trx: Knex.Transaction) => unknown;
export type TransactionConfig = Knex.TransactionConfig & { connection?: object; [key: symbol]: unknown };

/** Runs one builder: a query, a schema change, a raw statement. */
export interface Runner {
  run(): Promise<unknown>;
}

/** knex's Transaction: the machine behind a `trx`, with one subclass per dialect. */
export interface KnexTransaction extends PromiseLike<unknown> {
  txid: string;
  client: KnexClient;
  /** The client that its queries go through. Set once it has a connection. */
  trxClient: KnexClient | undefined;
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

/**
 * What an instance shares with its copies and with no other instance, whatever pool they have: knex makes a logger for each,
 * and hands it on to copies and transactions.
 */
export function identityOf(client: KnexClient): object {
  const logger = read(client, 'logger');
  return typeof logger === 'object' && logger !== null ? logger : client;
}

/** Whether the client is that of a transaction. */
export function isOfTransaction(client: KnexClient): boolean {
  return read(client, 'transacting') === true;
}

/** Whether the user gave the pool (`connectionPool`). */
export function hasExternalPool(client: KnexClient): boolean {
  return client._ownsPool === false;
}

/** The mark of the transaction that holds a connection. */
export function transactionIdOf(connection: object): string | undefined {
  return (connection as { __knexTxId?: string }).__knexTxId;
}

/** Whether knex would lend a connection without a check: its config has none, and that of its driver is empty. */
export function lendsUnasked({ config, connectionConfigProvider, driverName }: KnexClient): boolean {
  const { validate, maxConnectionLifetimeMillis } = (config.pool ?? {}) as {
    validate?: unknown;
    maxConnectionLifetimeMillis?: unknown;
  };
  return driverName === 'pg' && !validate && !maxConnectionLifetimeMillis && !connectionConfigProvider;
}

/** How long knex waits for a connection: the smaller of two settings, as knex has it. */
export function acquireTimeoutMillisOf({ config }: KnexClient): number {
  const { acquireTimeoutMillis } = (config.pool ?? {}) as { acquireTimeoutMillis?: unknown };
  const given = [config.acquireConnectionTimeout, acquireTimeoutMillis].filter((each) => typeof each === 'number');
  return given.length > 0 ? Math.min(...given) : 60_000;
}

export function isDisposed(connection: object): boolean {
  return Boolean((connection as { __knex__disposed?: unknown }).__knex__disposed);
}

export function markTransaction(connection: object, id: string | undefined): void {
  (connection as { __knexTxId?: string | undefined }).__knexTxId = id;
}

/** knex drops a connection so marked at its next borrow, and its adapters of native pools at its release. */
export function markDisposed(connection: object, reason: Error): void {
  (connection as { __knex__disposed?: unknown }).__knex__disposed = reason;
}

/** The SQL of a builder, without its bindings. */
export function sqlOf(builder: unknown): string | undefined {
  try {
    const compiled = (builder as { toSQL(): { sql?: string } | { sql?: string }[] }).toSQL();
    return Array.isArray(compiled) ? compiled.map(({ sql }) => sql).join('; ') : compiled.sql;
  } catch {
    return undefined;
  }
}
