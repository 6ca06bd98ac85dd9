// Servers that speak PostgreSQL's protocol, reached through `pg`, without being PostgreSQL: CockroachDB and Redshift.
import type { Driver } from '../driver';
import { pgDriver } from './pg';
import type { PgConnection } from './client';

/** What the protocol itself says is known and can be done. What PostgreSQL's own functions are needed for is left out. */
export function pgRelative(name: string): Driver<PgConnection> {
  const {
    isPostgres: _,
    openSideConnection: __,
    constraintCheck: ___,
    serverKinds: ____,
    checkConstraints: _____,
    isSameServer: ______,
    ...common
  } = pgDriver;
  return { ...common, name, backendId: () => undefined };
}
