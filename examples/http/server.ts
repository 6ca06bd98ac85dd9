// The HTTP side: a transaction for each request, and an answer for whatever becomes of it.
import http from 'node:http';
import { json } from 'node:stream/consumers';
import { AfterCommitError, KnexResetError } from 'knex-reset';
import { type Db, SLOTS } from './db';
import { list, type Order, place } from './orders';
import type { Outbox } from './outbox';
import { Slots } from './slots';

interface Answer {
  status: number;
  body: unknown;
}

export class Service {
  readonly server: http.Server;
  isStopping = false;
  readonly #db: Db;
  readonly #outbox: Outbox;
  readonly #slots = new Slots(SLOTS);

  constructor(db: Db, outbox: Outbox) {
    this.#db = db;
    this.#outbox = outbox;
    this.server = http.createServer((request, response) => {
      this.#answer(request)
        .catch(failed)
        .then(({ status, body }) => {
          // What comes later over a connection that is open already is to go elsewhere.
          const headers = { 'content-type': 'application/json', ...(this.isStopping && { connection: 'close' }) };
          response.writeHead(status, headers).end(JSON.stringify(body));
        })
        .catch((error: unknown) => response.destroy(error as Error));
    });
  }

  async #answer(request: http.IncomingMessage): Promise<Answer> {
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /health') return this.#health();
    if (this.isStopping) return { status: 503, body: { error: 'STOPPING' } };
    if (route === 'GET /orders') return { status: 200, body: await this.#inTransaction(() => list(this.#db)) };
    if (route !== 'POST /orders') return { status: 404, body: { error: 'NOT_FOUND' } };
    const order = (await json(request)) as Order;
    return { status: 201, body: await this.#inTransaction(() => place(this.#db, this.#outbox, order)) };
  }

  #inTransaction<T>(work: () => Promise<T>): Promise<T> {
    return this.#slots.run(() => this.#db.atomic(work, { label: 'request', retry: 3 }));
  }

  /** For the load balancer. It costs no query. */
  #health(): Answer {
    const { generation, connections, transactions } = this.#db.connectionState();
    const oldestMillis = Math.max(0, ...transactions.map(({ ageMillis }) => ageMillis));
    return { status: this.isStopping ? 503 : 200, body: { generation, connections, oldestMillis } };
  }
}

/** By codes: those of this package, and those of PostgreSQL's constraints. */
function failed(error: { code?: string }): Answer {
  // Stored: only what comes after has failed.
  if (error instanceof AfterCommitError) return { status: 201, body: error.result };
  // Not stored, or not known to be: whoever asks again with the same id does no harm.
  if (error instanceof KnexResetError) return { status: 503, body: { error: error.code } };
  const isConflict = error.code === '23505' || error.code === '23514';
  return { status: isConflict ? 409 : 500, body: { error: error.code ?? 'UNKNOWN' } };
}
