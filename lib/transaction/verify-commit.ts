// What became of a COMMIT whose answer was lost: asked of the server, on a new connection, by the transaction's id.
import type { Session } from '../pool/session';
import { Deadline, within } from '../waiting';
import type { Scope } from './scope';
import type { Outcome } from './scope-details';

type Rows = { rows: Record<string, unknown>[] };

/** How often a transaction that is still in progress is asked about. */
const POLL_MILLIS = 20;

/**
 * A run of the server: after a crash the ids of transactions whose records it lost are given to others.
 * Its start tells a restart, the checkpointer's process a crash that it recovered from by itself.
 */
const SERVER = `pg_postmaster_start_time() || ' ' || (select min(pid) from pg_stat_activity where backend_type = 'checkpointer')`;

/** What is known of a transaction before its COMMIT. */
export interface Recorded {
  /** Null where it has written nothing. */
  xid: string | null;
  server: unknown;
}

/** Asked once a connection, which lives in one run of the server only: it costs more than the rest of a small block. */
const servers = new WeakMap<Session, unknown>();

export async function recordXid(session: Session): Promise<Recorded> {
  const xid = 'pg_current_xact_id_if_assigned()::text as xid';
  const isKnown = servers.has(session);
  const { rows } = (await session.send(isKnown ? `select ${xid}` : `select ${xid}, ${SERVER} as server`)) as Rows;
  const recorded = rows[0] as unknown as Recorded;
  if (!isKnown) servers.set(session, recorded.server);
  return { xid: recorded.xid, server: servers.get(session) };
}

/** https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT */
export async function outcomeOnServer(scope: Scope, unknown: Outcome & { kind: 'unknown' }): Promise<Outcome> {
  const { recorded } = scope;
  if (!recorded) return unknown;
  // Nothing written, nothing to lose.
  if (recorded.xid === null) return { kind: 'committed', value: scope.value };
  const status = await within(scope.instance.settings.timeoutMillis, finalStatus(scope, recorded));
  if (status === 'committed') return { kind: 'committed', value: scope.value };
  if (status === 'aborted') return { kind: 'rolledBack', error: unknown.error.cause };
  return unknown;
}

async function finalStatus(scope: Scope, recorded: Recorded): Promise<unknown> {
  const { pool, settings } = scope.instance;
  const deadline = new Deadline(settings.timeoutMillis);
  while (deadline.leftMillis > 0) {
    try {
      const session = await pool.borrow();
      // Without an answer the connection is of no use to anybody else.
      session.doomed = true;
      try {
        const status = await within(deadline.leftMillis, statusOf(session, recorded));
        session.doomed = status === undefined;
        if (status !== 'in progress' && status !== undefined) return status;
      } finally {
        pool.release(session.connection);
      }
    } catch {
      // The server may be on its way back: asked again until the time is up.
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
  return undefined;
}

async function statusOf(session: Session, { xid, server }: Recorded): Promise<unknown> {
  const { rows } = (await session.send(`select pg_xact_status('${xid}'::xid8) as status, ${SERVER} as server`)) as Rows;
  if (rows[0]?.server !== server) return 'restarted';
  const status = rows[0]?.status ?? 'forgotten';
  if (status === 'in progress') {
    // Its backend may wait for a client that is not there any more.
    await session.send(
      `select pg_terminate_backend(pid) from pg_stat_activity where backend_xid = '${xid}'::xid8::xid`,
    );
  }
  return status;
}
