// What the pool needs from the rest of an instance.
import type { Driver } from '../drivers/driver';
import type { TarnPool } from '../knex/tarn';
import type { EnclosingTransaction } from './ambient';
import type { QueryOrigin } from '../words/call-site';
import type { Lendable } from '../connection/lendable';

/** Told of what becomes of a connection, and asked whether it may be lent. */
export interface ConnectionWatch {
  /** Called before the first lending of an open connection. Undefined: it can be lent at once. Rejects if it must not be lent. */
  opened(connection: Lendable): Promise<unknown> | undefined;
  /** One that was idle for longer is lent only if it `answers()`. Undefined: none is asked. */
  readonly checkIdleMillis: number | undefined;
  /** Whether an idle one is still there. */
  answers(connection: Lendable): Promise<boolean>;
  /** Perhaps while it was idle. */
  onDeath(connection: Lendable, error: Error): void;
  /** A statement failed. */
  onError(connection: Lendable, error: unknown): void;
}

/** All of it optional work: without answers the pool is a pool. */
export interface PoolHost {
  readonly driver: Driver;
  readonly isExternal: boolean;
  /** Builds the next generation's pool, knex's way. */
  build(): TarnPool;
  /** Opens a connection, having asked again with what settings. */
  makeAfresh(make: () => Promise<object>): Promise<object>;
  /** Knows where a borrower came from, while that is recorded. */
  readonly recording: { take(): QueryOrigin | undefined };
  /** The transaction that a query asked now has to run in, if any. */
  readonly ambient: { current(): EnclosingTransaction | undefined };
  /** Whether knex has no say in lending an idle connection. */
  readonly lendsUnasked: boolean;
  readonly recovery: ConnectionWatch;
  /** Rejects with what the asker gets where no connection could be had. */
  explain(error: unknown): Promise<never>;
  destroy(): Promise<unknown>;
  readonly timeoutMillis: number;
}
