// A small HTTP service over one resettable instance. It knows nothing of restarts and promotions: that is the point.
import http from 'node:http';
import knex from 'knex';
import { resettable } from 'knex-reset';

/** @param urls of the servers of the cluster, in any order: one of them is the primary */
export function connect(urls: string[]) {
  let asked = 0;
  const db = knex({
    client: 'pg',
    // Asked again when a connection was lost, or could not be opened, or leads to a standby: then the next server is tried.
    connection: () => ({ connectionString: urls[asked++ % urls.length] as string }),
    pool: {
      min: 0,
      max: 5,
      // While there is no primary, who asks for a connection waits for it (up to acquireTimeoutMillis) instead of failing at once.
      propagateCreateError: false,
      createRetryIntervalMillis: 50,
    },
  });
  // One dead connection tells of all: the idle ones go as well, before they can fail somebody.
  return resettable(db, { onFatal: 'evict', targetSessionAttrs: 'read-write' });
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
