// PostgreSQL through the `pg` driver: the tap, the wire's CancelRequest, and the second connection that terminates backends.
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Driver, Flight, Line, Openings, Spare, TransactionStatus } from './driver';
import { within } from '../waiting';

type Callback = (error: Error | null | undefined, result?: unknown) => void;

/** A query object that speaks the protocol itself: a cursor, a query stream, pg's own Query. */
interface Submittable {
  submit(connection: unknown): unknown;
  handleError(error: Error, connection?: unknown): void;
  callback?: Callback;
  text?: string;
  cursor?: { text?: string };
}

interface QueryConfig {
  text: string;
  callback?: Callback;
}

interface Wire extends EventEmitter {
  stream: Duplex;
  parsedStatements: Record<string, string>;
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: unknown): void;
}

type Query = (config: string | QueryConfig | Submittable, values?: unknown, callback?: Callback) => unknown;

/** The parts of pg's Client that are used here. Those with an underscore are its own affair and checked by a contract spec. */
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
  pipeline?: boolean;
  _ended?: boolean;
  _queryable?: boolean;
  _activeQuery?: Submittable | null;
  _queryQueue?: Submittable[];
  getTransactionStatus?(): 'I' | 'T' | 'E' | null;
  connect(): Promise<unknown>;
  end(): Promise<void>;
}

const ignore = () => {};

/** Resolves when the server is ready for the next statement, or the connection is over. Undefined: it is. */
function ready(connection: PgConnection): Promise<void> | undefined {
  if (connection.readyForQuery !== false || connection._ended) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      connection.off('drain', done).off('end', done);
      resolve();
    };
    connection.on('drain', done).on('end', done);
  });
}

/** A statement with a callback: what knex sends. */
class QueryFlight implements Flight {
  constructor(
    private readonly connection: PgConnection,
    private readonly line: Line,
    private readonly send: Query,
    private readonly config: string | QueryConfig,
    private readonly values: unknown,
    private callback: Callback,
  ) {}

  get sql(): string {
    return typeof this.config === 'string' ? this.config : this.config.text;
  }

  start(): void {
    this.send.call(this.connection, this.config, this.values, (error, result) => this.#done(error, result));
  }

  abort(error: Error): void {
    const callback = this.callback;
    this.callback = ignore;
    callback(error);
  }

  #done(error: Error | null | undefined, result: unknown): void {
    // A failing query is answered before the server is ready again.
    const told = this.line.answered(error, result, error ? ready(this.connection) : undefined);
    try {
      this.callback(told as Error, result);
    } finally {
      this.line.next();
    }
  }
}

/** A cursor or stream: it has no callback of its own, so its end is the moment when the server is ready again. */
class StreamFlight implements Flight {
  readonly isStream = true;
  #error: Error | null = null;

  constructor(
    private readonly connection: PgConnection,
    private readonly line: Line,
    private readonly send: Query,
    private readonly stream: Submittable & Partial<Duplex>,
    private readonly values: unknown,
    private readonly callback: Callback | undefined,
  ) {}

  get sql(): string {
    return this.stream.text ?? this.stream.cursor?.text ?? '(stream)';
  }

  start(): void {
    const { stream } = this;
    const close = stream._destroy;
    if (typeof close === 'function') {
      // Destroying waits until the portal is closed, on a dead connection for ever; whoever reads shall hear of an error at once.
      stream._destroy = (reason, done) => {
        close.call(stream as Duplex, reason, reason ? ignore : done);
        if (reason) done(reason);
      };
    }
    const handleError = stream.handleError;
    stream.handleError = (error, wire) => {
      this.#error ??= error;
      this.line.hasFailed?.(error);
      handleError.call(stream, error, wire);
    };
    this.connection.once('drain', () => {
      this.line.answered(this.#error, undefined, undefined);
      this.line.next();
    });
    this.send.call(this.connection, stream, this.values, this.callback);
  }

  abort(error: Error): void {
    const { stream } = this;
    if (typeof stream._destroy !== 'function' || typeof stream.destroy !== 'function') {
      stream.handleError(error, this.connection.connection);
      return;
    }
    stream.destroy(error);
  }
}

/** What runs already when a connection is tapped while in use. */
class EarlierFlight implements Flight {
  readonly #queries: Submittable[];

  constructor(
    private readonly connection: PgConnection,
    private readonly line: Line,
  ) {
    this.#queries = [connection._activeQuery, ...(connection._queryQueue ?? [])].filter((query) => !!query);
  }

  get sql(): string {
    return this.#queries[0]?.text ?? '(a statement asked before the instance was made resettable)';
  }

  start(): void {
    void ready(this.connection)?.then(() => {
      this.line.answered(null, undefined, undefined);
      this.line.next();
    });
  }

  abort(error: Error): void {
    for (const query of this.#queries) {
      const { callback } = query;
      if (!callback) continue;
      query.callback = ignore;
      callback(error);
    }
  }
}

function tap(connection: PgConnection, line: Line): () => void {
  const send = connection.query;
  const wasOwn = Object.hasOwn(connection, 'query');
  const onError = (error: Error) => line.died(error);
  const onEnd = () => line.ended();
  const stream = connection.connection?.stream as Duplex | undefined;
  connection.on('error', onError).on('end', onEnd);
  // The server is gone as soon as it has closed its side; pg says so a turn later, when ours is closed too.
  stream?.on('end', onEnd);

  if (!connection.pipeline) {
    if (connection.readyForQuery === false) line.ask(new EarlierFlight(connection, line));
    connection.query = (config, values, callback) => {
      const given = typeof values === 'function' ? (values as Callback) : callback;
      const bindings = typeof values === 'function' ? undefined : values;
      if (typeof config === 'object' && config !== null && 'submit' in config) {
        line.ask(new StreamFlight(connection, line, send, config, bindings, given));
        return config;
      }
      const answer = given ?? (typeof config === 'object' ? config?.callback : undefined);
      if (answer) {
        line.ask(new QueryFlight(connection, line, send, config, bindings, answer));
        return undefined;
      }
      return new Promise((resolve, reject) => {
        const settle: Callback = (error, result) => (error ? reject(error) : resolve(result));
        line.ask(new QueryFlight(connection, line, send, config, bindings, settle));
      });
    };
  }

  return () => {
    connection.off('error', onError).off('end', onEnd);
    stream?.off('end', onEnd);
    if (wasOwn) connection.query = send;
    else delete (connection as Partial<PgConnection>).query;
  };
}

function status(connection: PgConnection): TransactionStatus {
  switch (connection.getTransactionStatus?.()) {
    case 'I':
      return 'idle';
    case 'T':
      return 'open';
    case 'E':
      return 'failed';
    default:
      return 'unknown';
  }
}

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS */
async function cancel(connection: PgConnection, timeoutMillis: number): Promise<boolean> {
  const { processID, secretKey, host, port, ssl, sslNegotiation } = connection;
  if (processID === null) return true;
  const WireClass = connection.connection.constructor as new (options: object) => Wire;
  const wire = new WireClass({ ssl, sslNegotiation });
  // The server answers by closing, once the signal is sent.
  const closed = new Promise<boolean>((resolve) => {
    wire.on('end', () => resolve(true)).on('error', () => resolve(true));
  });
  const request = () => wire.cancel(processID, secretKey);
  wire.on('connect', () => {
    if (!ssl) request();
    else if (sslNegotiation !== 'direct') wire.requestSsl();
  });
  wire.on('sslconnect', request);
  if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
  else wire.connect(port, host);
  const isDelivered = await within(timeoutMillis, closed);
  wire.stream.destroy();
  return isDelivered === true;
}

/** Another connection like this one: same server, same role. */
function connectLike(connection: PgConnection): PgConnection {
  const { user, database, application_name, client_encoding } = connection.connectionParameters;
  const { host, port, password, ssl, sslNegotiation } = connection;
  const ConnectionClass = connection.constructor as new (config: object) => PgConnection;
  const config = { user, database, application_name, client_encoding, host, port, password, ssl };
  return new ConnectionClass({ ...config, sslnegotiation: sslNegotiation });
}

function openSpare(connection: PgConnection): Spare {
  const spare = connectLike(connection);
  spare.on('error', ignore);
  const ended = new Promise<void>((resolve) => {
    spare.on('end', resolve);
  });
  const connected = spare.connect();
  connected.catch(ignore);
  return {
    async terminate(backendId) {
      await connected;
      await spare.query('select pg_terminate_backend($1)', [backendId]);
      const isThere = 'select 1 from pg_stat_activity where pid = $1';
      while (((await spare.query(isThere, [backendId])) as { rows: unknown[] }).rows.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async close(timeoutMillis) {
      const isConnected = await within(
        0,
        connected.then(
          () => true,
          () => true,
        ),
      );
      if (isConnected) spare.end().catch(ignore);
      else spare.connection.stream.destroy();
      if (
        (await within(
          timeoutMillis,
          ended.then(() => true),
        )) !== true
      )
        spare.connection.stream.destroy();
    },
  };
}

/** The driver's module with a Client that says when one is made: knex shows a connection only once it is open. */
function observeOpening(module: unknown, openings: Openings<PgConnection>): unknown {
  const pg = module as { Client: new (...args: unknown[]) => PgConnection };
  class Client extends pg.Client {
    constructor(...args: unknown[]) {
      super(...args);
      openings.add(this);
      this.on('end', () => openings.delete(this));
    }
  }
  return Object.create(pg, { Client: { value: Client, enumerable: true, configurable: true, writable: true } });
}

export const pgDriver: Driver<PgConnection> = {
  name: 'pg',
  constraintCheck: 'SET CONSTRAINTS ALL IMMEDIATE',
  isPostgres: true,
  takesScripts: true,
  tap,
  status,
  cancel,
  openSpare,
  observeOpening,
  backendId: (connection) => connection.processID ?? undefined,
  isGone: (connection) => connection._ended === true || connection._queryable === false,
  end: (connection) => void connection.end().catch(ignore),
  cut: (connection) => void connection.connection.stream.destroy(),
  send: async (connection, sql) =>
    (connection.constructor as { prototype: PgConnection }).prototype.query.call(connection, sql),
  saysRolledBack: (result) => (result as { command?: string } | undefined)?.command === 'ROLLBACK',
  saysCommitted: (result) =>
    Array.isArray(result)
      ? result.some(({ command }: { command?: string }) => command === 'COMMIT')
      : (result as { command?: string } | undefined)?.command === 'COMMIT',
  async wash(connection) {
    await pgDriver.send(connection, 'DISCARD ALL');
    connection.connection.parsedStatements = {};
  },
};
