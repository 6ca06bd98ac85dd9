// The session lock of a migrations table, as each server takes it.
import { createHash } from 'node:crypto';
import { PLAIN_ROWS as MYSQL_ROWS } from './mysql/plain-rows';
import { PLAIN_ROWS as PG_ROWS } from './pg/plain-rows';

export interface SessionLock {
  /** What query() takes for a statement, made anew for each, since the driver writes into it. Its rows are plain, whatever the user has set. */
  config(sql: string): object;
  /** Where the table is, if the config does not say; and what keeps the server from ending a session that is idle for long. */
  prepare: string;
  /** Keeps the server from ending a session that is idle for long, where that takes a statement of its own. */
  stay?: string;
  /** Takes the lock with a key and a session as bindings: in that session only, and tells which one has answered. */
  take: string;
  /** Describes the holder. */
  holder: string;
  key(schema: string, table: string): string;
}

/** Never changes: runners of different versions of this package use the same lock. */
const digest = (schema: string, table: string) =>
  createHash('sha256').update(`knex-reset migrations ${schema}.${table}`).digest();

export const SESSION_LOCKS: Record<'postgres' | 'mysql', SessionLock> = {
  postgres: {
    config: (sql) => ({ text: sql, ...PG_ROWS }),
    prepare: `select current_schema() as home,
      (select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout') as unlimited`,
    take: `select case when pg_backend_pid() = $2::int then pg_try_advisory_lock($1::bigint) end as taken, pg_backend_pid()::text as id`,
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
    config: (sql) => ({ sql, ...MYSQL_ROWS }),
    prepare: 'select database() as home',
    stay: 'set session wait_timeout = 2147483',
    take: 'select if(s.id = connection_id(), get_lock(s.name, 0), null) as taken, connection_id() as id from (select ? as name, ? as id) s',
    holder: `select concat('connection ', id, ' (user ', user, ', from ', host, ', since ', time, ' s)') as who
      from information_schema.processlist where id = is_used_lock(?)`,
    key: (schema, table) => `knex-reset ${digest(schema, table).toString('hex').slice(0, 40)}`,
  },
};
