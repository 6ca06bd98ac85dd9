// A pool that is the user's own: that of a plain instance, or one of the driver's.
import type { Knex } from 'knex';
import pg from 'pg';
import type { Setting } from '../schedule/schedule';
import { knex } from './subject';

const silent = () => {};
export const log = { warn: silent, error: silent, deprecate: silent, debug: silent };

export interface OwnedPool {
  pool: Knex.ConnectionPool;
  end(): Promise<void>;
}

type Owned = Pick<Setting, 'owner' | 'poolMin' | 'poolMax' | 'acquireMillis'>;

export function ownedPool({ owner, ...setting }: Owned, connection: Knex.PgConnectionConfig): OwnedPool | undefined {
  if (owner === 'knex') return ofKnex(setting, connection);
  return owner === 'pg' ? ofPg(setting, connection) : undefined;
}

function ofKnex({ poolMin: min, poolMax: max, acquireMillis }: Owned, connection: Knex.PgConnectionConfig): OwnedPool {
  const plain = knex({ client: 'pg', connection, pool: { min, max }, acquireConnectionTimeout: acquireMillis, log });
  return { pool: plain.client.pool as Knex.ConnectionPool, end: () => plain.destroy() };
}

function ofPg({ poolMax: max, acquireMillis }: Owned, connection: Knex.PgConnectionConfig): OwnedPool {
  const pool = new pg.Pool({ ...connection, max, connectionTimeoutMillis: acquireMillis } as pg.PoolConfig);
  pool.on('error', silent);
  return { pool: pool as unknown as Knex.ConnectionPool, end: () => pool.end() };
}
