// The class of one instance's client, its copies and its transactions: knex's dialect class with the few methods that matter here.
import type { Duplex } from 'node:stream';
import { keepContext } from '../words/async-context';
import type { Runner } from './builders';
import { checkKnex } from './check-knex';
import { markClaimed } from './identity';
import type { KnexClient } from './client-shape';
import { streamWhole } from './guard';
import type { KnexPool } from './pool-shape';
import { type MakeArgs, makeControlled } from './transaction-class';
import type { Container, TransactionConfig } from './transaction-request';
import type { KnexTransaction, TransactionMaker } from './transaction-shape';

/** What the instance decides where knex asks its client. */
export interface ClientHost {
  readonly pool: Pick<KnexPool, 'release'>;
  /** A transaction is to be made, by `make()`: by knex's own means, and with a controller before its first step. */
  transaction(client: object, asked: TransactionRequest, make: (...args: MakeArgs) => KnexTransaction): KnexTransaction;
  /** A builder of the instance itself is about to run. */
  running(builder: object, runner: Runner): void;
  /** A builder is about to run in the transaction that the client is of. */
  runningInside(client: object, runner: Runner): void;
  /** Whether a stream on the connection has to be read to its end before its rows are given out. */
  readsWhole(connection: object): boolean;
  /** Each statement goes through it on its way to the driver's module. Undefined: the module is tapped instead. */
  readonly carry: Carry | undefined;
}

/** What a client is asked for when it is to make a transaction. */
export interface TransactionRequest {
  readonly container: Container;
  readonly config: TransactionConfig | undefined;
  readonly outer: KnexTransaction | null | undefined;
  /** The client is that of a transaction. */
  readonly isInside: boolean;
  /** The method by which user code has asked. */
  readonly entry: unknown;
}

/** What follows where knex ends a client, and where it opens one again. */
export interface PooledClients {
  /** `knex.destroy()` was called, on whichever of them, and nothing since that opens the instance again. */
  readonly areDestroyed: boolean;
  /** `knex.destroy()` was called on it, and is done. */
  destroyed(client: KnexClient): void;
  /** `knex.initialize()`, after a `destroy()`. It has a pool afterwards. */
  initialize(client: KnexClient, config: object | undefined): void;
}

interface Statement {
  readonly sql: string;
  readonly reader?: Duplex;
  send(): Promise<unknown>;
}
export type Carry = (connection: object, statement: Statement) => Promise<unknown>;

type ClientClass = new (...args: never[]) => TransactionMaker;

/** One class an instance: its prototype is what `claim()` takes. */
export function makeClaimedPrototype(client: KnexClient, host: ClientHost, clients: PooledClients): object {
  checkKnex(client);
  const Base = client.constructor as ClientClass;
  const Instance = withStreams(withWork(withLife(withLending(Base, host), clients), host), host);
  const Claimed = host.carry ? withCarrier(Instance, host.carry) : Instance;
  Object.defineProperty(Claimed, 'name', { value: Base.name });
  return Claimed.prototype;
}

/** The pool that never changes stands where knex has a real one. */
function withLending(Base: ClientClass, host: ClientHost): ClientClass {
  class Lending extends Base {
    // The hot path of every query. What knex's own does beside it is done when a connection is opened, or could not be had.
    override acquireConnection(): Promise<object> {
      const { pool } = this;
      if (!pool) return super.acquireConnection();
      try {
        return pool.acquire().promise;
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
  }
  markClaimed(Lending.prototype);
  return Lending;
}

/** The instance hears when it is destroyed, and when it is opened again. */
function withLife(Base: ClientClass, clients: PooledClients): ClientClass {
  return class extends Base {
    override initializePool(config?: object): void {
      if (this.pool && !clients.areDestroyed) super.initializePool(config);
      else clients.initialize(this, config);
    }

    // Knex destroys only pools that it owns; ours stands for one that it does not own as well, and knows what to leave alone.
    override async destroy(callback?: (error?: unknown) => void): Promise<void> {
      try {
        await this.pool?.destroy();
        clients.destroyed(this);
      } catch (error) {
        if (typeof callback !== 'function') throw error;
        return callback(error);
      }
      if (typeof callback === 'function') callback();
    }
  };
}

/** The instance hears of each transaction before it is made, and of each builder before it runs. */
function withWork(Base: ClientClass, host: ClientHost): ClientClass {
  class Working extends Base {
    override transaction(
      container: Container,
      config?: TransactionConfig,
      outer?: KnexTransaction | null,
    ): KnexTransaction {
      const isInside = this.transacting === true;
      const asked = { container, config, outer, isInside, entry: Working.prototype.transaction };
      return host.transaction(this, asked, (...args) => makeControlled(this, super.transaction, args));
    }

    override runner(builder: object): Runner {
      const runner = super.runner(builder);
      if (this.transacting) host.runningInside(this, runner);
      // What was given its connection by hand runs there.
      else if (!(builder as { _connection?: object })._connection) host.running(builder, runner);
      return runner;
    }
  }
  return Working;
}

const closeOf = (stream: Duplex) => new Promise<void>((resolve) => void stream.once('close', resolve));

/** A stream calls its reader where it was asked, and gives its connection back once. */
function withStreams(Base: ClientClass, host: ClientHost): ClientClass {
  return class extends Base {
    override stream(connection: object, statement: unknown, stream: Duplex, options: unknown): Promise<unknown> {
      keepContext(stream);
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
  };
}

/** Each statement that knex sends goes through `carry`. */
function withCarrier(Base: ClientClass, carry: Carry): ClientClass {
  return class extends Base {
    override _query(...args: Parameters<KnexClient['_query']>): Promise<unknown> {
      const [connection, { sql }] = args;
      const send = async () => super._query(...args);
      return carry(connection, { sql, send });
    }

    override _stream(...args: Parameters<KnexClient['_stream']>): Promise<unknown> {
      const [connection, { sql }, reader] = args;
      const send = async () => super._stream(...args);
      return carry(connection, { sql, reader, send });
    }
  };
}
