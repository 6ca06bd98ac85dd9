// Work of this package's own on a connection: one statement of the queue like any other, so that nothing overlaps it on the wire.
import type { PendingStatement } from '../drivers/pending-statement';
import type { StatementSink } from '../drivers/statement-sink';
import { callUser } from '../words/foreign';
import { defer } from '../words/waiting';

type Queue = Pick<StatementSink, 'answered' | 'next'>;

export class OwnWork<T> implements PendingStatement {
  readonly isOwn = true;
  readonly sql = '';
  readonly #sink: Queue;
  readonly #work: () => Promise<T>;
  readonly #done = defer<T>();

  constructor(sink: Pick<StatementSink, 'answered' | 'next'>, work: () => Promise<T>) {
    this.#sink = sink;
    this.#work = work;
  }

  get done(): Promise<T> {
    return this.#done.promise;
  }

  start(): void {
    this.#work().then(
      (result) => this.#end(null, () => this.#done.resolve(result)),
      (error: unknown) => this.#end(error, () => this.#done.reject(error)),
    );
  }

  abort(error: Error): void {
    this.#done.reject(error);
  }

  #end(error: unknown, settle: () => void): void {
    this.#sink.answered(error, undefined, undefined);
    settle();
    this.#sink.next();
  }
}

/** An error in the caller's callback is an uncaught exception. */
export function tell(statement: PendingStatement, error: Error): void {
  callUser(() => statement.abort(error));
}
