// What became of a COMMIT, as PostgreSQL tells it by the transaction's id.
// https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT

/** Sends one statement. */
type Send = (sql: string) => Promise<unknown>;
type Rows = { rows: Record<string, unknown>[] };

/** What is known of a transaction before its COMMIT. */
export interface Recorded {
  /** Null on a standby. */
  xid: string | null;
  server: unknown;
}

/**
 * A run of the server: after a crash the ids of transactions whose records it lost are given to others. Its start tells a restart; a crash that
 * it recovered from by itself is told by its statistics, which begin anew with it. An ordinary role sees both.
 */
const SERVER = `pg_postmaster_start_time() || ' ' || pg_stat_get_bgwriter_stat_reset_time()`;

/** Also of a transaction that has written nothing: what it has notified of is lost with it. A standby has no ids to give, and refuses NOTIFY. */
const XID = '(case when pg_is_in_recovery() then null else pg_current_xact_id() end)::text as xid';

/** Which run of the server this is costs more than the rest of a small block: it is asked once a connection. */
const servers = new WeakMap<object, unknown>();

export async function recordXid(raw: object, send: Send): Promise<Recorded> {
  const isKnown = servers.has(raw);
  const { rows } = (await send(isKnown ? `select ${XID}` : `select ${XID}, ${SERVER} as server`)) as Rows;
  const recorded = rows[0] as unknown as Recorded;
  if (!isKnown) servers.set(raw, recorded.server);
  return { xid: recorded.xid, server: servers.get(raw) };
}

/** Resolves with `committed`, `aborted`, `in progress`, or another word where it is not to be known any more. */
export async function commitStatus({ xid, server }: Recorded, send: Send): Promise<unknown> {
  const { rows } = (await send(`select pg_xact_status('${xid}'::xid8) as status, ${SERVER} as server`)) as Rows;
  // What is not known is not the same.
  if (typeof server !== 'string' || rows[0]?.server !== server) return 'restarted';
  const status = rows[0]?.status ?? 'forgotten';
  if (status === 'in progress') {
    // Its backend may wait for a client that is not there any more. One that is at work has COMMIT, and is waited for.
    await send(
      `select pg_terminate_backend(pid) from pg_stat_activity where backend_xid = '${xid}'::xid8::xid and state like 'idle in transaction%'`,
    );
  }
  return status;
}
