// Several writes on SQLite that count as one: in a transaction, or in a savepoint of the caller's.
import { Deadline, sleep } from '../../words/waiting';
import type { Ask, EmptyRequest } from '../table-emptier';

const SAVEPOINT = 'knex_reset_empty_tables';
/** Between two tries to begin. */
const PAUSE_MILLIS = 20;

export function inTransaction<T>(ask: Ask, request: EmptyRequest, work: () => Promise<T>): Promise<T> {
  return request.isInside ? inSavepoint(ask, work) : inOwn(ask, request, work);
}

async function inSavepoint<T>(ask: Ask, work: () => Promise<T>): Promise<T> {
  await ask(`savepoint ${SAVEPOINT}`);
  try {
    const result = await work();
    await ask(`release ${SAVEPOINT}`);
    return result;
  } catch (error) {
    for (const sql of [`rollback to ${SAVEPOINT}`, `release ${SAVEPOINT}`]) await ask(sql).catch(() => {});
    throw error;
  }
}

async function inOwn<T>(ask: Ask, request: EmptyRequest, work: () => Promise<T>): Promise<T> {
  await begin(ask, request);
  try {
    const result = await work();
    await ask('commit');
    return result;
  } catch (error) {
    await ask('rollback').catch(() => {});
    throw error;
  }
}

/** For writing at once: SQLite waits for no other writer where a transaction that has read begins to write. */
async function begin(ask: Ask, { lockMillis, isLockTimeout }: EmptyRequest): Promise<void> {
  const deadline = new Deadline(lockMillis);
  for (;;) {
    try {
      return void (await ask('begin immediate'));
    } catch (error) {
      if (!isLockTimeout(error) || deadline.leftMillis === 0) throw error;
    }
    // The driver may have waited with the event loop held up, in which the writer may be.
    await sleep(Math.min(PAUSE_MILLIS, deadline.leftMillis));
  }
}
