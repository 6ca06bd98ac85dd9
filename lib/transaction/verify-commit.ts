// What became of a COMMIT whose answer was lost: asked of the server, on a new connection, by the transaction's id.
import type { Lendable } from '../connection/lendable';
import { commitStatus, type Recorded } from '../drivers/pg/commit-status';
import { valueOr } from '../words/foreign';
import { Deadline, within, sleep } from '../words/waiting';
import type { Outcome } from './outcome';
import type { StateOf } from './state';
import type { TransactionHost } from './transaction-host';

/** How often a transaction that is still in progress is asked about. */
const POLL_MILLIS = 20;

export async function outcomeOnServer(
  instance: TransactionHost,
  { error, value, recorded }: StateOf<'inDoubt'>,
): Promise<Outcome> {
  const unknown = { kind: 'unknown', error } as const;
  if (!recorded) return unknown;
  // On a standby: nothing written, nothing to lose.
  if (recorded.xid === null) return { kind: 'committed', value };
  const status = await within(instance.settings.timeoutMillis, finalStatus(instance, recorded));
  if (status === 'committed') return { kind: 'committed', value };
  if (status === 'aborted') return { kind: 'rolledBack', error: error.cause };
  return unknown;
}

async function finalStatus({ pool, settings }: TransactionHost, recorded: Recorded): Promise<unknown> {
  const deadline = new Deadline(settings.timeoutMillis);
  while (deadline.leftMillis > 0) {
    const connection = await pool.borrow(deadline);
    if (connection) {
      const status = await statusBy(connection, recorded, deadline);
      valueOr(false, () => pool.release(connection.raw));
      if (status !== undefined && status !== 'in progress') return status;
    }
    // The server may be on its way back.
    await sleep(POLL_MILLIS);
  }
  return undefined;
}

async function statusBy(connection: Lendable, recorded: Recorded, deadline: Deadline): Promise<unknown> {
  // Without an answer the connection is of no further use.
  connection.doubt();
  const answer = commitStatus(recorded, (sql) => connection.send(sql));
  const status = await within(deadline.leftMillis, answer);
  if (status !== undefined) connection.health.clear();
  return status;
}
