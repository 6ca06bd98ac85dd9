// The parts of pg's Client and of its wire that are used here, as pg does not declare them.
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';

export type Callback = (error: Error | null | undefined, result?: unknown) => void;

/** A query object that speaks the protocol itself: a cursor, a query stream, pg's own Query. */
export interface Submittable {
  submit(connection: unknown): unknown;
  handleError(error: Error, connection?: unknown): void;
  /** The server waits for the data of a COPY. */
  handleCopyInResponse?(connection: unknown): void;
  callback?: Callback;
  text?: string;
  cursor?: { text?: string };
}

export interface QueryConfig {
  text: string;
  /** Whose parsers read the rows. Absent: the connection's. */
  types?: { getTypeParser(type: number, format?: string): (value: string | Buffer) => unknown };
  callback?: Callback;
}

export interface Wire extends EventEmitter {
  stream: Duplex;
  parsedStatements: Record<string, string>;
  /** Sends a Query, and a Sync. */
  query(text?: string): void;
  sync(text?: string): void;
  sendCopyFail(reason: string): void;
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: unknown): void;
}

export type Query = (config: string | QueryConfig | Submittable, values?: unknown, callback?: Callback) => unknown;

/** The parts of pg's Client that are used here. Those with an underscore are private, and a contract spec checks them. */
export interface PgConnection extends EventEmitter {
  query: Query;
  connection: Wire;
  connectionParameters: Record<string, unknown>;
  host: string;
  port: number;
  password: unknown;
  ssl: unknown;
  sslNegotiation?: string;
  processID: number | null;
  secretKey: unknown;
  readyForQuery?: boolean;
  _ended?: boolean;
  _queryable?: boolean;
  _activeQuery?: Submittable | null;
  _queryQueue?: Submittable[];
  getTransactionStatus?(): 'I' | 'T' | 'E' | null;
  connect(): Promise<unknown>;
  end(): Promise<void>;
}
