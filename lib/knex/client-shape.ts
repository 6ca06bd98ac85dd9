// The shape of knex's dialect client, as far as this package relies on it: the object behind every instance, copy and transaction.
// check-knex.ts names a field that a new knex does not have, and a contract spec what it does otherwise.
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Runner } from './builders';
import type { KnexPool } from './pool-shape';

export interface KnexClient extends EventEmitter {
  config: { connection?: unknown; pool?: object; connectionPool?: unknown; [key: string]: unknown };
  driverName: string;
  driver: unknown;
  version?: unknown;
  valueForUndefined?: unknown;
  pool: KnexPool | undefined;
  logger: { warn(message: string): void };
  connectionSettings: Record<string, unknown> | undefined;
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
  /** Of `pg` alone. */
  setSchemaSearchPath?(connection: object): Promise<unknown>;
  initializePool(config?: object): void;
  getPoolSettings(poolConfig: object | undefined): { create(): Promise<object> };
  destroy(callback?: (error?: unknown) => void): Promise<void>;
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
