// The statements and streams of a `pg` connection as statements of the queue, and those that ran before it was tapped.
import type { Duplex } from 'node:stream';
import { callUser, inBackground, throwLater } from '../../words/foreign';
import type { PendingStatement } from '../pending-statement';
import type { StatementSink } from '../statement-sink';
import { CursorClose } from './cursor-close';
import type { Callback, PgConnection, Query, QueryConfig, Submittable } from './client';
import { forget, heardCopyIn } from './heard';

const ignore = () => {};

/** Resolves when the server is ready for the next statement, or the connection has ended. Undefined: it is ready. */
export function ready(connection: PgConnection): Promise<void> | undefined {
  if (connection.readyForQuery !== false || connection._ended) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      connection.off('drain', done).off('end', done);
      resolve();
    };
    connection.on('drain', done).on('end', done);
  });
}

/** A statement with a callback: what knex sends. */
export class QueryStatement implements PendingStatement {
  constructor(
    private readonly connection: PgConnection,
    private readonly sink: StatementSink,
    private readonly send: Query,
    private readonly config: string | QueryConfig,
    private readonly values: unknown,
    private callback: Callback,
  ) {}

  get sql(): string {
    return typeof this.config === 'string' ? this.config : this.config.text;
  }

  start(): void {
    forget(this.connection);
    this.send.call(this.connection, this.config, this.values, (error, result) => this.#done(error, result));
  }

  abort(error: Error): void {
    const callback = this.callback;
    this.callback = ignore;
    callback(error);
  }

  #done(error: Error | null | undefined, result: unknown): void {
    // A failing query is answered before the server is ready again.
    const told = this.sink.answered(error, result, error ? ready(this.connection) : undefined);
    try {
      this.callback(told as Error, result);
    } catch (thrown) {
      throwLater(thrown);
    }
    this.sink.next();
  }
}

/** A cursor or stream: it has no callback of its own, so its end is the moment when the server is ready again. */
export class StreamStatement implements PendingStatement {
  readonly isStream = true;
  #error: Error | null = null;
  #isSent = false;

  constructor(
    private readonly connection: PgConnection,
    private readonly sink: StatementSink,
    private readonly send: Query,
    private readonly stream: Submittable & Partial<Duplex>,
    private readonly values: unknown,
    private readonly callback: Callback | undefined,
  ) {}

  get sql(): string {
    return this.stream.text ?? this.stream.cursor?.text ?? '(stream)';
  }

  start(): void {
    forget(this.connection);
    this.#isSent = true;
    const { stream } = this;
    const cursor = stream.cursor && new CursorClose(this.connection.connection);
    const close = stream._destroy;
    if (typeof close === 'function') {
      // destroy() waits until the portal is closed, which never happens on a dead connection. The reader must get the error at once.
      const destroy: Duplex['_destroy'] = (reason, done) => {
        const closed = reason ? ignore : done;
        const closeNow = () => close.call(stream as Duplex, reason, closed);
        if (cursor) cursor.ask(closeNow);
        else closeNow();
        if (reason) done(reason);
      };
      stream._destroy = destroy;
    }
    const handleError = stream.handleError;
    const failed: Submittable['handleError'] = (error, told) => {
      this.#error ??= error;
      this.sink.hasFailed?.(error);
      handleError.call(stream, error, told);
    };
    stream.handleError = failed;
    noteCopyIn(this.connection, stream);
    this.connection.once('drain', () => {
      this.sink.answered(this.#error, undefined, undefined);
      this.sink.next();
    });
    this.send.call(this.connection, stream, this.values, this.callback);
  }

  abort(error: Error): void {
    const { stream } = this;
    if (typeof stream._destroy !== 'function' || typeof stream.destroy !== 'function') {
      stream.handleError(error, this.connection.connection);
      return;
    }
    // One that was not sent has nothing to close on the server, and may wait for an answer all the same.
    if (!this.#isSent) stream._destroy = (reason, done) => done(reason);
    stream.destroy(error);
  }
}

function noteCopyIn(connection: PgConnection, stream: Submittable): void {
  const { handleCopyInResponse } = stream;
  if (!handleCopyInResponse) return;
  const opened: typeof handleCopyInResponse = (wire) => {
    heardCopyIn(connection);
    handleCopyInResponse.call(stream, wire);
  };
  stream.handleCopyInResponse = opened;
}

/** What runs already when a connection is tapped while in use. */
export class EarlierStatement implements PendingStatement {
  readonly #queries: Submittable[];

  constructor(
    private readonly connection: PgConnection,
    private readonly sink: StatementSink,
  ) {
    this.#queries = [connection._activeQuery, ...(connection._queryQueue ?? [])].filter((query) => !!query);
  }

  get sql(): string {
    return this.#queries[0]?.text ?? '(a statement asked before the instance was made resettable)';
  }

  start(): void {
    const answered = () => {
      // It is not known which statements it was the answer to.
      forget(this.connection);
      this.sink.answered(null, undefined, undefined);
      this.sink.next();
    };
    inBackground(ready(this.connection)?.then(answered));
  }

  abort(error: Error): void {
    for (const query of this.#queries) {
      const { callback } = query;
      if (!callback) continue;
      query.callback = ignore;
      callUser(() => callback(error));
    }
  }
}
