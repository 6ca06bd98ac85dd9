// The statements on a MySQL connection as statements of the queue.
import { callUser, inBackground, throwLater, nextTick } from '../../words/foreign';
import { means } from '../error-codes';
import type { PendingStatement } from '../pending-statement';
import type { StatementSink } from '../statement-sink';
import { isOfRows } from '../statement-text';
import type { Watch } from './watch';
import { type Callback, type Command, classOf, type MysqlConnection, pendingOf, reasonOf, socketOf } from './wire';

const ignore = () => {};

export interface Tap {
  readonly connection: MysqlConnection;
  readonly sink: StatementSink;
  readonly watch: Watch;
}

/** A statement with a callback: what knex sends. */
export class CallbackStatement implements PendingStatement {
  #isDone = false;

  constructor(
    private readonly tap: Tap,
    readonly sql: string,
    private readonly send: (done: Callback) => Command,
    private callback: Callback,
  ) {}

  start(): void {
    this.tap.watch.running = this;
    let command: Command | undefined;
    const done: Callback = (error, ...results) => this.#done(command, error, results);
    try {
      command = this.send(done);
    } catch (error) {
      done(error as Error);
    }
  }

  abort(error: Error): void {
    const { callback } = this;
    this.callback = ignore;
    callback(error);
  }

  #done(command: Command | undefined, error: Error | null | undefined, results: unknown[]): void {
    // After a timeout of mysql2, the server's own answer arrives as well.
    if (this.#isDone) return;
    this.#isDone = true;
    const { sink, watch } = this.tap;
    watch.answered(this.sql, error, results[0]);
    const isGivenUp = means(error, 'clientTimeout') && command !== undefined;
    const ready = isGivenUp
      ? ended(command).then(() => statusAfter(this.tap, this.sql, error))
      : statusAfter(this.tap, this.sql, error);
    answeredWhen(ready, this.tap);
    const told = sink.answered(error, results[0], ready);
    // What the statement has done to its transaction is known before its asker goes on: but for the one that waits no longer.
    if (ready && !isGivenUp) inBackground(ready.then(() => this.#tell(told, results)));
    else this.#tell(told, results);
    sink.next();
  }

  #tell(error: unknown, results: unknown[]): void {
    try {
      this.callback(error as Error, ...results);
    } catch (thrown) {
      throwLater(thrown);
    }
  }
}

/** It may be cancelled until then. */
function answeredWhen(ready: Promise<void> | undefined, { watch }: Tap): void {
  const stopped = () => {
    watch.running = undefined;
  };
  if (ready) inBackground(ready.then(stopped));
  else stopped();
}

/**
 * Errors, rows, and statements without a callback have no status flags. Where one of these may have begun or ended a transaction, the answer to
 * a statement that does nothing tells: DDL commits before it runs, and may fail then; ANALYZE TABLE and the like commit and return rows.
 * Undefined: it is known already, or the connection has ended.
 */
function statusAfter({ connection, watch }: Tap, sql: string, error: unknown): Promise<void> | undefined {
  const mayHaveEnded = isOfRows(sql) ? means(error, 'mayBeRolledBack') && watch.status === 'open' : true;
  if (watch.hasFlags || !mayHaveEnded || reasonOf(connection)) return undefined;
  return new Promise((resolve) => {
    const socket = socketOf(connection);
    const closed = () => resolve();
    // A driver that has ended answers nothing.
    socket.once('close', closed);
    classOf(connection).prototype.query.call(connection, 'DO 0', (failure: Error | null, result: unknown) => {
      socket.off('close', closed);
      watch.note(failure, result);
      resolve();
    });
  });
}

function ended(command: Command): Promise<void> {
  return new Promise((resolve) => {
    command.once('end', resolve);
  });
}

/** A statement without a callback: its rows and its end are events, mostly those of a stream on it. */
export class StreamStatement implements PendingStatement {
  readonly isStream = true;
  readonly sql: string;
  #error: Error | null = null;
  #isStarted = false;
  #isDone = false;

  constructor(
    private readonly tap: Tap,
    private readonly command: Command,
    private readonly send: () => unknown,
  ) {
    this.sql = command.sql ?? '(stream)';
    command.on('error', (error: Error) => {
      this.#error ??= error;
    });
  }

  start(): void {
    this.#isStarted = true;
    this.tap.watch.running = this;
    this.command.once('end', () => this.#done());
    // A driver that has ended accepts the command and never answers it.
    const gone = reasonOf(this.tap.connection);
    if (gone) return nextTick(() => this.fail(gone));
    try {
      this.send();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  abort(error: Error): void {
    const { command } = this;
    command.emit('error', error);
    command.removeAllListeners('result').removeAllListeners('fields');
    // A slow reader has paused the connection.
    if (this.#isStarted) this.tap.connection.resume();
  }

  /** The connection has ended, which the driver does not report to a statement without a callback. */
  fail(error: Error): void {
    if (this.#isDone) return;
    this.command.emit('error', error);
    this.#done();
  }

  #done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const { sink, watch } = this.tap;
    watch.answered(this.sql, this.#error, undefined);
    const ready = statusAfter(this.tap, this.sql, this.#error);
    answeredWhen(ready, this.tap);
    sink.answered(this.#error, undefined, ready);
    sink.next();
  }
}

/** What runs already when a connection is tapped while in use. */
export class EarlierStatement implements PendingStatement {
  readonly #commands: Command[];

  constructor(private readonly tap: Tap) {
    this.#commands = pendingOf(tap.connection);
  }

  get sql(): string {
    return '(a statement asked before the instance was made resettable)';
  }

  start(): void {
    this.tap.watch.running = this;
    this.#commands.at(-1)?.once('end', () => {
      this.tap.watch.running = undefined;
      this.tap.sink.answered(null, undefined, undefined);
      this.tap.sink.next();
    });
  }

  abort(error: Error): void {
    for (const command of this.#commands) {
      const field = command.onResult ? 'onResult' : '_callback';
      const callback = command[field];
      if (!callback) continue;
      command[field] = ignore;
      callUser(() => callback.call(command, error));
    }
  }
}
