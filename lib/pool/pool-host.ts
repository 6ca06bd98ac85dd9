// What the pool needs from the rest of an instance.
import type { Driver } from '../drivers/driver';
import type { TarnPool } from '../knex/tarn';
import type { EnclosingTransaction } from './ambient';
import type { QueryOrigin } from '../words/call-site';
import type { Connection } from '../connection/connection';

/** All of it optional work: without answers the pool is a pool. */
export interface PoolHost {
  readonly driver: Driver;
  readonly isExternal: boolean;
  /** Builds the next generation's pool, knex's way. */
  build(): TarnPool;
  /** Opens a connection, having asked again with what settings. */
  makeAfresh(make: () => Promise<object>): Promise<object>;
  /** A connection is open, and about to be lent for the first time. Undefined: at once. Rejects where it is of no use. */
  opened(connection: Connection): Promise<unknown> | undefined;
  /** Where a borrower came from, while that is recorded. */
  whereAsked(): QueryOrigin | undefined;
  /** The transaction that a query asked here has to run in, if any. */
  enclosing(): EnclosingTransaction | undefined;
  /** Whether knex has no say in lending an idle connection. */
  readonly lendsUnasked: boolean;
  /** Whether `check()` would send something. */
  needsCheck(connection: Connection): boolean;
  /** Whether an idle connection may be lent; undefined: at once. */
  check(connection: Connection): Promise<boolean> | undefined;
  onDeath(connection: Connection, error: Error): void;
  onError(connection: Connection, error: unknown): void;
  /** Rejects with what the asker gets where no connection could be had. */
  explain(error: unknown): Promise<never>;
  destroy(): Promise<unknown>;
  readonly timeoutMillis: number;
}
