// The lock itself: a session lock of the server, named for one migrations table.
import { createHash } from 'node:crypto';
import { MigrationLockError } from '../words/errors';
import type { Deadline } from '../words/waiting';
import type { LockConnection, Rows } from './lock-connection';
import type { TableName } from './lock-row';

/** Between two tries. */
export const POLL_MILLIS = 50;

interface SessionLock {
  /** Where the table is, if the config does not say; and what keeps the server from ending a session that is idle for long. */
  prepare: string;
  take: string;
  /** Describes the holder. */
  holder: string;
  key(schema: string, table: string): string;
}

/** Kept the same for ever: runners of different versions meet in it. */
const digest = (schema: string, table: string) =>
  createHash('sha256').update(`knex-reset migrations ${schema}.${table}`).digest();

// Tried again and again rather than waited for: a session that waits inside a statement would hold a snapshot,
// and a CREATE INDEX CONCURRENTLY of the holder waits for the end of every older snapshot.
const LOCKS: Record<LockConnection['kind'], SessionLock> = {
  postgres: {
    prepare: `select current_schema() as home,
      (select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout') as unlimited`,
    take: 'select pg_try_advisory_lock($1::bigint) as taken',
    holder: `select format('backend %s (%s)', l.pid, concat_ws(', ',
        case when a.application_name <> '' then format('application "%s"', a.application_name) else 'no application name' end,
        'from ' || host(a.client_addr),
        'since ' || to_char(a.state_change at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) as who
      from pg_locks l left join pg_stat_activity a using (pid)
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.database = (select oid from pg_database where datname = current_database())
        and (l.classid::bigint << 32) | l.objid::bigint = $1::bigint`,
    key: (schema, table) => digest(schema, table).readBigInt64BE().toString(),
  },
  mysql: {
    prepare: 'select database() as home',
    take: 'select get_lock(?, 0) as taken',
    holder: `select concat('connection ', id, ' (user ', user, ', from ', host, ', since ', time, ' s)') as who
      from information_schema.processlist where id = is_used_lock(?)`,
    key: (schema, table) => `knex-reset ${digest(schema, table).toString('hex').slice(0, 40)}`,
  },
};

/** Resolves when the connection has the lock of the table. */
export async function takeLock(
  connection: LockConnection,
  table: TableName,
  deadline: Deadline,
  waitMillis: number,
): Promise<void> {
  const lock = LOCKS[connection.kind];
  const [prepared] = await connection.ask(lock.prepare);
  if (connection.kind === 'mysql') await connection.ask('set session wait_timeout = 2147483');
  const key = lock.key(table.schema ?? String(prepared?.home), table.name);
  while (!isTaken(await connection.ask(lock.take, [key]))) {
    if (deadline.leftMillis === 0) {
      const [holder] = await connection.ask(lock.holder, [key]);
      throw new MigrationLockError(
        `the migration lock of ${table.text} was not free within ${waitMillis} ms: ${holder ? `${holder.who} holds it` : 'its holder has just released it'}`,
      );
    }
    await pause(deadline);
  }
}

export function pause(deadline: Deadline): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(POLL_MILLIS, deadline.leftMillis)));
}

function isTaken([row]: Rows): boolean {
  return row?.taken === true || Number(row?.taken) === 1;
}
