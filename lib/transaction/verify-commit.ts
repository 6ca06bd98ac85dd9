// What became of a COMMIT whose answer was lost: asked of the server, on a new connection, by the transaction's id.
import type { Connection } from '../connection/connection';
import { Deadline, within } from '../words/waiting';
import type { Transaction } from './transaction';
import type { Outcome, Recorded } from './state';

type Rows = { rows: Record<string, unknown>[] };

/** How often a transaction that is still in progress is asked about. */
const POLL_MILLIS = 20;

/**
 * A run of the server: after a crash the ids of transactions whose records it lost are given to others. Its start tells a restart; a crash that
 * it recovered from by itself is told by its statistics, which begin anew with it. An ordinary role sees both.
 */
const SERVER = `pg_postmaster_start_time() || ' ' || pg_stat_get_bgwriter_stat_reset_time()`;

/** Also of a transaction that has written nothing: what it has notified of is lost with it. A standby has no ids to give, and refuses NOTIFY. */
const XID = '(case when pg_is_in_recovery() then null else pg_current_xact_id() end)::text as xid';

/** Asked once a connection, which lives in one run of the server only: it costs more than the rest of a small block. */
const servers = new WeakMap<Connection, unknown>();

export async function recordXid(connection: Connection): Promise<Recorded> {
  const isKnown = servers.has(connection);
  const { rows } = (await connection.send(isKnown ? `select ${XID}` : `select ${XID}, ${SERVER} as server`)) as Rows;
  const recorded = rows[0] as unknown as Recorded;
  if (!isKnown) servers.set(connection, recorded.server);
  return { xid: recorded.xid, server: servers.get(connection) };
}

/** https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT */
export async function outcomeOnServer(
  transaction: Transaction,
  unknown: Outcome & { kind: 'unknown' },
): Promise<Outcome> {
  const { state } = transaction;
  const { recorded, value } = state.is === 'inDoubt' ? state : { recorded: undefined, value: undefined };
  if (!recorded) return unknown;
  // On a standby: nothing written, nothing to lose.
  if (recorded.xid === null) return { kind: 'committed', value };
  const status = await within(transaction.instance.settings.timeoutMillis, finalStatus(transaction, recorded));
  if (status === 'committed') return { kind: 'committed', value };
  if (status === 'aborted') return { kind: 'rolledBack', error: unknown.error.cause };
  return unknown;
}

async function finalStatus(transaction: Transaction, recorded: Recorded): Promise<unknown> {
  const { pool, settings } = transaction.instance;
  const deadline = new Deadline(settings.timeoutMillis);
  while (deadline.leftMillis > 0) {
    try {
      const connection = await pool.borrow();
      // Without an answer the connection is of no further use.
      connection.doomed = true;
      try {
        const status = await within(deadline.leftMillis, statusOf(connection, recorded));
        connection.doomed = status === undefined;
        if (status !== 'in progress' && status !== undefined) return status;
      } finally {
        pool.release(connection.raw);
      }
    } catch {
      // The server may be on its way back: asked again until the time is up.
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
  return undefined;
}

async function statusOf(connection: Connection, { xid, server }: Recorded): Promise<unknown> {
  const { rows } = (await connection.send(
    `select pg_xact_status('${xid}'::xid8) as status, ${SERVER} as server`,
  )) as Rows;
  // What is not known is not the same.
  if (typeof server !== 'string' || rows[0]?.server !== server) return 'restarted';
  const status = rows[0]?.status ?? 'forgotten';
  if (status === 'in progress') {
    // Its backend may wait for a client that is not there any more. One that is at work has COMMIT, and is waited for.
    await connection.send(
      `select pg_terminate_backend(pid) from pg_stat_activity where backend_xid = '${xid}'::xid8::xid and state like 'idle in transaction%'`,
    );
  }
  return status;
}
