// A small HTTP service over one resettable instance. It knows nothing of restarts: that is the point.
import http from 'node:http';
import knex from 'knex';
import { resettable } from 'knex-reset';

export function connect(url: string) {
  const db = knex({
    client: 'pg',
    connection: url,
    pool: {
      min: 0,
      max: 5,
      // While the server is down, who asks for a connection waits for it (up to acquireTimeoutMillis) instead of failing at once.
      propagateCreateError: false,
      createRetryIntervalMillis: 50,
    },
  });
  // One dead connection tells of all: the idle ones go as well, before they can fail somebody.
  return resettable(db, { onFatal: 'evict' });
}

export function serve(db: ReturnType<typeof connect>): http.Server {
  return http.createServer((request, response) => {
    answer(request).then(
      (body) => response.end(JSON.stringify(body)),
      (error: { code?: string }) => response.writeHead(503).end(JSON.stringify({ error: error.code ?? 'unknown' })),
    );
  });

  async function answer({ method, url = '/' }: http.IncomingMessage): Promise<unknown> {
    if (method === 'POST') return order(Number(url.slice(1)));
    const [row] = await db('orders').count();
    return row;
  }

  /**
   * Run again where it is sure that it was not stored, asked after where a lost connection leaves that in doubt. What stays in doubt
   * is a COMMIT that was on its way when the server went down: the client gets ERR_COMMIT_UNKNOWN, and has to look.
   */
  async function order(id: number): Promise<unknown> {
    await db.atomic((trx) => trx('orders').insert({ id }), {
      retry: 10,
      verifyCommit: true,
    });
    return { id };
  }
}
