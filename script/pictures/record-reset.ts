// Records a reset of ten connections: what the callers saw, what the report says, and what the server wrote into its log.
import fs from 'node:fs';
import knex from 'knex';
import { resettable } from '../../lib';
import { freshDatabase, type TestDatabase } from '../../spec/support/database';
import { PostgresServer } from '../../spec/support/postgres-server';
import { until } from '../../spec/support/until';

export const FILE = `${__dirname}/data/reset.json`;

/** Milliseconds count from the call of `resetConnection()`. */
export interface RecordedReset {
  connections: {
    pid: number;
    isAsleep: boolean;
    /** When the query of the transaction rejected, of those that had one. */
    rejectedAt?: number;
    /** By the server's log. */
    cancelledAt?: number;
    endedAt: number;
  }[];
  resolvedAt: number;
  next: { pid: number; connectedAt: number; answeredAt: number };
  report: Record<string, number>;
}

const LINE = /^(\d+\.\d+) \[(\d+)\] (.*)$/;

export async function recordReset(): Promise<void> {
  const server = await PostgresServer.create({
    log_connections: 'on',
    log_disconnections: 'on',
    log_line_prefix: '%n [%p] ',
  });
  try {
    const database = await freshDatabase(server.url);
    // The first reset of a process runs cold code: the second is the one that is drawn.
    await recordOnce(server, database);
    const recorded = await recordOnce(server, database);
    await database.drop();
    fs.writeFileSync(FILE, `${JSON.stringify(recorded, undefined, 2)}\n`);
  } finally {
    await server.dispose();
  }
}

async function recordOnce(server: PostgresServer, database: TestDatabase): Promise<RecordedReset> {
  const db = resettable(knex({ client: 'pg', connection: database.connection, pool: { min: 0, max: 10 } }));
  const now = () => performance.timeOrigin + performance.now();
  const rejected = new Map<number, number>();
  const asleep = new Set<number>();
  const pids: number[] = [];
  for (let i = 0; i < 10; i++) {
    const trx = await db.transaction();
    trx.executionPromise.catch(() => {});
    const { rows } = (await trx.raw('select pg_backend_pid() as pid')) as { rows: { pid: number }[] };
    const pid = rows[0]?.pid ?? 0;
    pids.push(pid);
    if (i % 2) continue;
    asleep.add(pid);
    trx.raw('select pg_sleep(60)').catch(() => rejected.set(pid, now()));
  }
  await until('five of them sleep', async () => {
    const backends = await database.backends();
    return backends.filter(({ state, query }) => state === 'active' && query.includes('pg_sleep')).length === 5;
  });

  const startedAt = now();
  const reset = db.resetConnection();
  const next = db.raw('select pg_backend_pid() as pid').then((result: { rows: { pid: number }[] }) => ({
    pid: result.rows[0]?.pid ?? 0,
    answeredAt: now() - startedAt,
  }));
  const { abortedTransactions, reason: _, ...counts } = await reset;
  const resolvedAt = now() - startedAt;
  const answered = await next;
  await db.destroy();

  const logged = (pid: number, text: string) => {
    for (const line of server.log.split('\n')) {
      const [, seconds, from, message] = LINE.exec(line) ?? [];
      if (Number(from) === pid && message?.includes(text)) return Number(seconds) * 1000 - startedAt;
    }
    return undefined;
  };
  await until('the server has logged their ends', () =>
    pids.every((pid) => logged(pid, 'disconnection:') !== undefined),
  );
  return {
    connections: pids.map((pid) => {
      const cancelledAt = logged(pid, 'canceling statement');
      const rejectedAt = rejected.get(pid);
      return {
        pid,
        isAsleep: asleep.has(pid),
        ...(rejectedAt !== undefined && { rejectedAt: rejectedAt - startedAt }),
        ...(cancelledAt !== undefined && { cancelledAt }),
        endedAt: logged(pid, 'disconnection:') as number,
      };
    }),
    resolvedAt,
    next: { ...answered, connectedAt: logged(answered.pid, 'connection authorized') as number },
    report: { ...counts, abortedTransactions: abortedTransactions.length },
  };
}
