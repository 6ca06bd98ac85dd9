// The server process that an instance, a transaction or a connection has.
import type { Knex } from 'knex';

/** The backend that a query gets. */
export async function pidOf(db: Pick<Knex, 'raw'>): Promise<number> {
  const { rows } = await db.raw<{ rows: [{ pid: number }] }>('select pg_backend_pid() as pid');
  return rows[0].pid;
}
