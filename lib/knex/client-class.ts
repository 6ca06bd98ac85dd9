// The class of one instance's client, its copies and its transactions: knex's dialect class with the few methods that matter here.
import type { Duplex } from 'node:stream';
import { streamWhole } from './guard';
import type {
  ClientClass,
  Container,
  KnexClient,
  KnexPool,
  KnexTransaction,
  Runner,
  TransactionConfig,
} from './insides';

/** What the instance decides where knex asks its client. */
export interface ClientHost {
  readonly pool: KnexPool;
  /** `knex.destroy()` was called on it, and is done. */
  destroyed(client: KnexClient): void;
  /** `knex.initialize()`, after a `destroy()`. */
  initialize(config: object | undefined): void;
  /** A transaction is to be made, by knex's own means: `make()`. */
  transaction(
    client: KnexClient,
    asked: { container: Container; config: TransactionConfig | undefined; outer: KnexTransaction | null | undefined },
    make: (
      container: Container,
      config: TransactionConfig | undefined,
      outer: KnexTransaction | null,
    ) => KnexTransaction,
  ): KnexTransaction;
  /** A builder is about to run. */
  running(client: KnexClient, builder: object, runner: Runner): void;
  /** Whether a stream on the connection has to be read to its end before its rows are given out. */
  readsWhole(connection: object): boolean;
}

/**
 * Makes a client one of the instance's. Its class is changed rather than its methods, because knex makes the clients of
 * copies and of transactions from `client.constructor.prototype`.
 */
export function claim(client: KnexClient, pool: KnexPool, prototype: object): void {
  Object.setPrototypeOf(client, prototype);
  client.pool = pool;
}

/** Marks the prototypes that are made here, and not by knex. */
const CLAIMED = Symbol('knex-reset.claimed');
/** The same for another copy of this package, which cannot see the mark above. */
const CLAIMED_BY_ANY = Symbol.for('knex-reset.claimed');

export function markClaimed<T extends object>(prototype: T): T {
  return Object.defineProperties(prototype, { [CLAIMED]: { value: true }, [CLAIMED_BY_ANY]: { value: true } });
}

/** Whether another copy of this package has made it resettable. */
export function isClaimedElsewhere(client: object): boolean {
  return CLAIMED_BY_ANY in client && !(CLAIMED in client);
}

const closeOf = (stream: Duplex) => new Promise<void>((resolve) => void stream.once('close', resolve));

/** The same for the client of one transaction, which has no pool. */
export function claimTransaction(client: KnexClient, prototype: object): void {
  Object.setPrototypeOf(client, prototype);
}

/** One class an instance: its prototype is what `claim()` takes. */
export function makeClaimedPrototype(client: KnexClient, host: ClientHost): object {
  const Base = client.constructor as ClientClass;

  class Claimed extends Base {
    // The hot path of every query. What knex's own does beside it is done when a connection is opened, or could not be had.
    override acquireConnection(): Promise<object> {
      const { pool } = this;
      if (!pool) return super.acquireConnection();
      try {
        const connection = pool.lendNow?.();
        return connection ? Promise.resolve(connection) : pool.acquire().promise;
      } catch (error) {
        return Promise.reject(error as Error);
      }
    }

    // One that was held by hand over the end of a destroyed instance comes back to a client without a pool.
    // Knex before 3.2 gives back what a stream never had, when the pool was full.
    override releaseConnection(connection: object | undefined): Promise<void> {
      if (connection === undefined) return Promise.resolve();
      if (this.pool) return super.releaseConnection(connection);
      host.pool.release(connection);
      return Promise.resolve();
    }

    override transaction(
      container: Container,
      config?: TransactionConfig,
      outer?: KnexTransaction | null,
    ): KnexTransaction {
      return host.transaction(this, { container, config, outer }, (...args) => super.transaction(...args));
    }

    override runner(builder: object): Runner {
      const runner = super.runner(builder);
      host.running(this, builder, runner);
      return runner;
    }

    override stream(connection: object, statement: unknown, stream: Duplex, options: unknown): Promise<unknown> {
      if (this.transacting) return super.stream(connection, statement, stream, options);
      // Knex gives the connection back at the stream's close, and again at the query's end: the second time perhaps from under
      // the next borrower. The query's end is enough, once it comes for a stream that is closed early as well.
      const [giveBack] = stream.listeners('close') as (() => void)[];
      if (giveBack) stream.off('close', giveBack);
      const closed = closeOf(stream);
      const reading = host.readsWhole(connection)
        ? streamWhole(stream, () => this.query(connection, statement))
        : super.stream(connection, statement, stream, options);
      return Promise.race([reading, closed]);
    }

    override initializePool(config?: object): void {
      if (this.pool) {
        super.initializePool(config);
      } else {
        host.initialize(config);
        this.pool = host.pool;
      }
    }

    // Knex destroys only pools that it owns; ours stands for one that it does not own as well, and knows what to leave alone.
    override async destroy(callback?: (error?: unknown) => void): Promise<void> {
      try {
        await this.pool?.destroy();
        this.pool = undefined;
        host.destroyed(this);
      } catch (error) {
        if (typeof callback !== 'function') throw error;
        return callback(error);
      }
      if (typeof callback === 'function') callback();
    }
  }
  Object.defineProperty(Claimed, 'name', { value: Base.name });
  return markClaimed(Claimed.prototype);
}

/** What a client's class is made from: the prototype of knex's own dialect class. */
export function knexPrototypeOf(client: KnexClient): KnexClient {
  let prototype = Object.getPrototypeOf(client) as KnexClient;
  while (Object.hasOwn(prototype, CLAIMED)) prototype = Object.getPrototypeOf(prototype) as KnexClient;
  return prototype;
}

interface Statement {
  readonly sql: string;
  readonly reader?: Duplex;
  send(): Promise<unknown>;
}
type Carry = (connection: object, statement: Statement) => Promise<unknown>;

const BUILDERS = ['queryBuilder', 'schemaBuilder', 'raw'] as const;

/** Tells of each builder that is made from now on. Builders are not touched otherwise: knex shows their making in its own stack traces. */
export function watchBuilders(prototype: object, made: (builder: object, entry: unknown) => void): void {
  const knexClass = Object.getPrototypeOf(prototype) as KnexClient;
  for (const name of BUILDERS) {
    const make = knexClass[name] as (...args: unknown[]) => object;
    const watched = function (this: KnexClient, ...args: unknown[]) {
      const builder = make.apply(this, args);
      made(builder, watched);
      return builder;
    };
    Object.defineProperty(prototype, name, { value: watched, configurable: true, writable: true });
  }
}

/** Passes each statement that knex sends on a connection through `carry`. */
export function carryQueries(prototype: object, carry: Carry): void {
  const { _query, _stream } = Object.getPrototypeOf(prototype) as KnexClient;
  const query: KnexClient['_query'] = function (this: KnexClient, connection, statement) {
    const send = async () => _query.call(this, connection, statement);
    return carry(connection, { sql: statement.sql, send });
  };
  const stream: KnexClient['_stream'] = function (this: KnexClient, connection, statement, reader, options) {
    const send = async () => _stream.call(this, connection, statement, reader, options);
    return carry(connection, { sql: statement.sql, reader, send });
  };
  for (const [name, value] of Object.entries({ _query: query, _stream: stream }))
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
}

/** What knex does with the outcome of asking its pool: a password is hidden, an error is logged and made knex's own. */
export function asKnexAcquires(client: KnexClient, outcome: Promise<object>): Promise<object> {
  const asked = Object.create(client, { pool: { value: { acquire: () => ({ promise: outcome }) } } }) as KnexClient;
  return knexPrototypeOf(client).acquireConnection.call(asked);
}

/** What else knex does where its pool gives it a connection. Undefined: nothing, as with `pg`. */
export function hidePassword(client: KnexClient, connection: object): Promise<unknown> | undefined {
  return 'config' in connection ? asKnexAcquires(client, Promise.resolve(connection)) : undefined;
}

const always = () => true;

/** Opens a connection with what a connection function in the config says now, whenever it was asked last. */
export function openWithFreshSettings<T>(client: KnexClient, open: () => T): T {
  if (!client.connectionConfigProvider) return open();
  const { connectionConfigExpirationChecker: earlier } = client;
  client.connectionConfigExpirationChecker = always;
  try {
    return open();
  } finally {
    // Knex has looked at it already, and would drop idle connections for it.
    client.connectionConfigExpirationChecker = earlier;
  }
}
