// The way out, on SIGTERM: nothing new is accepted, what runs is given the grace, what is left then is aborted and told so.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResetReport } from 'knex-reset';
import type { Db } from './db';
import type { Outbox } from './outbox';
import type { Service } from './server';

/** Resolves with what was aborted. It takes no longer than the grace, and the instance's `timeoutMillis` for what does not end in it. */
export async function stop(
  { service, outbox, db }: { service: Service; outbox: Outbox; db: Db },
  graceMillis: number,
): Promise<ResetReport> {
  const start = performance.now();
  const { server } = service;
  service.isStopping = true;
  const closed = once(server, 'close');
  server.close();
  // Requests first: one in a transaction may still ask for a second connection, which nobody gets once a reset has begun.
  await before(graceMillis, closed);
  const leftMillis = Math.max(0, graceMillis - (performance.now() - start));
  const report = await db.resetConnection({ reason: 'SIGTERM', graceMillis: leftMillis });
  // Whoever was aborted is being told so.
  await before(1000, closed);
  server.closeAllConnections();
  await outbox.rest();
  await db.destroy();
  return report;
}

/** Resolves when the work is done, or the time is up. */
async function before(millis: number, work: Promise<unknown>): Promise<void> {
  const isDone = new AbortController();
  await Promise.race([work, sleep(millis, undefined, { signal: isDone.signal }).catch(() => {})]);
  isDone.abort();
}
