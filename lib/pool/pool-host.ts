// What the pool asks of the rest of an instance.
import type { Driver } from '../drivers/driver';
import type { TarnPool } from '../knex/tarn';
import type { Asked, Home } from './ambient';
import type { Session } from './session';

/** All of it optional work: without answers the pool is a pool. */
export interface PoolHost {
  readonly driver: Driver;
  readonly isExternal: boolean;
  /** Builds the next generation's pool, knex's way. */
  build(): TarnPool;
  /** Opens a connection, having asked again with what settings. */
  makeAfresh(make: () => Promise<object>): Promise<object>;
  /** A connection is open, and about to be lent for the first time. Undefined: at once. */
  opened(connection: object): Promise<unknown> | undefined;
  /** Where a borrower came from, while that is recorded. */
  whereAsked(): Asked | undefined;
  /** The transaction that a query asked here has to run in, if any. */
  home(): Home | undefined;
  /** Whether knex has no say in lending an idle connection. */
  readonly lendsUnasked: boolean;
  /** Whether `check()` would send something. */
  needsCheck(session: Session): boolean;
  /** Whether an idle connection may be lent; undefined: at once. */
  check(session: Session): Promise<boolean> | undefined;
  onDeath(session: Session, error: Error): void;
  onError(session: Session, error: unknown): void;
  /** Rejects with what the asker gets where no connection could be had. */
  explain(error: unknown): Promise<never>;
  destroy(): Promise<unknown>;
  readonly timeoutMillis: number;
}
