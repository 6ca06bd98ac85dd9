// What became of a COMMIT whose answer was lost: asked of the server, on a new connection, by the transaction's id.
import { commitStatus, type Recorded } from '../drivers/pg/commit-status';
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
    try {
      const connection = await pool.lending.borrow();
      try {
        // It was waited for: the caller may have its answer.
        if (deadline.leftMillis === 0) return undefined;
        // Without an answer the connection is of no further use.
        connection.doubt();
        const status = await within(
          deadline.leftMillis,
          commitStatus(recorded, (sql) => connection.send(sql)),
        );
        if (status !== undefined) connection.health.clear();
        if (status !== 'in progress' && status !== undefined) return status;
      } finally {
        pool.release(connection.raw);
      }
    } catch {
      // The server may be on its way back: asked again until the time is up.
    }
    await sleep(POLL_MILLIS);
  }
  return undefined;
}
