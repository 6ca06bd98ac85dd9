// The work under the lock: once that is lost, the work does nothing more on the database.
import type { AcquireQueue } from '../pool/acquire-queue';
import type { Awaitable } from '../words/block-types';
import { MigrationLockError, suppress } from '../words/errors';
import { inBackground } from '../words/foreign';
import type { ResetOptions } from '../words/types';
import { nextTurn, within } from '../words/waiting';
import type { SessionLock } from './session-lock';
import type { TableName } from './table-name';

/** The instance that the work uses. */
interface Host {
  readonly pool: { readonly queue: Pick<AcquireQueue, 'isClosed' | 'bars'>; evict(): Promise<void> };
  reset(options: ResetOptions): Promise<unknown>;
}

export type Outcome<T> = { value: T } | { error: unknown };

interface Ended<T> {
  readonly outcome: Outcome<T>;
  /** The lock is, so that the row may be another runner's by now. */
  readonly isLost: boolean;
}

/** How long a work that has lost its lock may take to notice, once its connections are reset. */
const AFTER_LOSS_MILLIS = 1000;

/** Rejects never. Afterwards no connection from before is lent again. */
export async function runGuarded<T>(
  host: Host,
  work: () => Awaitable<T>,
  lock: SessionLock,
  table: TableName,
): Promise<Ended<T>> {
  const ended = await run(host, work, lock, table.text);
  await evict(host);
  return ended;
}

async function run<T>(host: Host, work: () => Awaitable<T>, lock: SessionLock, table: string): Promise<Ended<T>> {
  const running = outcomeOf(work);
  const whenLost = lock.whenLost().then((loss) => ({ loss }));
  const first = await Promise.race([running, whenLost]);
  if ('loss' in first) {
    const error = lossError(table, 'was lost while the work ran, and with it the lock', first.loss);
    await stop(host, running, error);
    return { outcome: { error }, isLost: true };
  }
  const loss = await lock.lossAtTheEnd();
  if (!loss) return { outcome: first, isLost: false };
  const when = 'was lost, or did not answer any more, by the end of the work, which has done all that it does';
  const error = lossError(table, when, loss);
  if ('value' in first) return { outcome: { error }, isLost: true };
  suppress(first.error, error);
  return { outcome: first, isLost: true };
}

function lossError(table: string, what: string, cause: Error): MigrationLockError {
  return new MigrationLockError(`the connection that held the migration lock of ${table} ${what}`, { cause });
}

/** Another runner may have the lock by now: whatever the work asks is rejected, however long it goes on. */
async function stop(host: Host, running: Promise<Outcome<unknown>>, error: MigrationLockError): Promise<void> {
  const { bars, isClosed } = host.pool.queue;
  const message = `${error.message}: nothing more is asked until the work has ended`;
  const bar = () => new MigrationLockError(message, { cause: error });
  bars.add(bar);
  inBackground(running.finally(() => bars.delete(bar)));
  // Not where the work has destroyed the instance, which a reset would open again.
  if (!isClosed) await host.reset({ reason: 'the migration lock was lost' });
  const late = await within(AFTER_LOSS_MILLIS, running);
  if (late && 'error' in late) suppress(error, late.error);
}

/** What runs goes on: it may be another tenant's migration, or the app. */
async function evict({ pool }: Host): Promise<void> {
  // The last query of the work gives its connection back in the next turn.
  await nextTurn();
  if (!pool.queue.isClosed) await pool.evict();
}

async function outcomeOf<T>(work: () => Awaitable<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}
