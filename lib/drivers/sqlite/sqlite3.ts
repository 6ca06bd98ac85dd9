// SQLite through `sqlite3`: statements run in a thread, with a callback; it does not tell whether a transaction is open.
import { throwLater } from '../../words/foreign';
import type { Driver } from '../driver';
import type { PendingStatement } from '../pending-statement';
import type { StatementSink } from '../statement-sink';
import type { TransactionStatus } from '../transaction-reader';
import { isInMemory } from './in-memory';
import { countOfRollbacksTo, firstWord, isCommit, lastWord, withPlainComments } from '../statement-text';
import { SCHEMA_CHANGE } from './schema';
import { addSink, replaceMethod, tellEnded } from './taps';

type Callback = (this: unknown, error: Error | null, ...results: unknown[]) => void;
type Method = (...args: unknown[]) => unknown;

interface SqliteConnection {
  readonly filename: string;
  readonly open: boolean;
  all: Method;
  each: Method;
  exec: Method;
  get: Method;
  run: Method;
  close(callback: (error: Error | null) => void): unknown;
  interrupt(): void;
}

/** The callback of a close() by this package. */
const ignore = () => {};
const RUNNING = ['all', 'each', 'exec', 'get', 'run'] as const;
const NO_TRANSACTION = /no transaction is active/;

/** Whether a transaction is open, by what was said. */
class Transactions {
  /** Undefined: no statement has shown it yet. */
  #isOpen: boolean | undefined;
  /** The savepoint that began it, if there was no BEGIN. */
  #outermost: string | undefined;

  get status(): TransactionStatus {
    if (this.#isOpen === undefined) return 'unknown';
    return this.#isOpen ? 'open' : 'idle';
  }

  note(asked: string, error: Error | null): void {
    if (error) {
      if (NO_TRANSACTION.test(error.message)) this.#isOpen = false;
      return;
    }
    const sql = withPlainComments(asked);
    switch (firstWord(sql)) {
      case 'BEGIN':
        this.#isOpen = true;
        break;
      case 'SAVEPOINT':
        if (!this.#isOpen) this.#outermost = lastWord(sql);
        this.#isOpen = true;
        break;
      case 'COMMIT':
      case 'END':
        this.#isOpen = false;
        break;
      case 'ROLLBACK':
        if (countOfRollbacksTo(sql) === 0) this.#isOpen = false;
        break;
      case 'RELEASE':
        if (this.#outermost !== undefined && lastWord(sql) === this.#outermost) this.#isOpen = false;
        break;
    }
    if (!this.#isOpen) this.#outermost = undefined;
  }
}

const transactions = new WeakMap<SqliteConnection, Transactions>();

function transactionsOf(connection: SqliteConnection): Transactions {
  const known = transactions.get(connection) ?? new Transactions();
  transactions.set(connection, known);
  return known;
}

/** The connection's own method, without the tap. */
function ownMethods(connection: SqliteConnection): SqliteConnection {
  return Object.getPrototypeOf(connection) as SqliteConnection;
}

/** Some errors roll back by themselves (OR ROLLBACK, a trigger, a full disk), and no error says so: a BEGIN does, which only an open transaction refuses. */
function lookForRollback(connection: SqliteConnection, state: Transactions, looked: () => void): void {
  const { run } = ownMethods(connection);
  run.call(connection, 'BEGIN', (refused: Error | null) => {
    if (refused) return looked();
    state.note('ROLLBACK', null);
    run.call(connection, 'ROLLBACK', looked);
  });
}

class SqliteStatement implements PendingStatement {
  constructor(
    private readonly sink: StatementSink,
    private readonly connection: SqliteConnection,
    readonly sql: string,
    private readonly send: (done: Callback) => void,
    private callback: Callback,
  ) {}

  start(): void {
    const done = this.#done.bind(this);
    this.send(function (error, ...results) {
      done(this, error, results);
    });
  }

  abort(error: Error): void {
    const { callback } = this;
    this.callback = ignore;
    callback.call({}, error);
  }

  #done(context: unknown, error: Error | null, results: unknown[]): void {
    const state = transactionsOf(this.connection);
    state.note(this.sql, error);
    const tell = () => this.#tell(context, error, results);
    if (error && state.status === 'open') lookForRollback(this.connection, state, tell);
    else tell();
  }

  /** @param context the statement, which knex reads `lastID` and `changes` from */
  #tell(context: unknown, error: Error | null, results: unknown[]): void {
    const told = this.sink.answered(error, results[0], undefined);
    try {
      this.callback.call(context, told as Error | null, ...results);
    } catch (thrown) {
      throwLater(thrown);
    }
    this.sink.next();
  }
}

function tapSqlite(connection: SqliteConnection, sink: StatementSink): () => void {
  const leave = addSink(connection, sink);
  const restore = RUNNING.map((name) => {
    const send = connection[name];
    const tapped: SqliteConnection[typeof name] = (sql, ...rest) => {
      const given = rest.filter((argument) => typeof argument === 'function') as Callback[];
      const bindings = rest.filter((argument) => typeof argument !== 'function');
      const onRow = name === 'each' ? given.shift() : undefined;
      const callback = given.shift() ?? (() => {});
      const run = (done: Callback) => send.call(connection, sql, ...bindings, ...(onRow ? [onRow] : []), done);
      sink.ask(new SqliteStatement(sink, connection, String(sql), run, callback));
      return connection;
    };
    return replaceMethod(connection, name, tapped);
  });
  return () => {
    leave();
    for (const undo of restore) undo();
  };
}

export const sqliteDriver: Driver<SqliteConnection> = {
  name: 'sqlite3',
  tap: tapSqlite,
  losesDataOnClose: (connection) => isInMemory(connection.filename),
  backendId: () => undefined,
  status: (connection) => transactionsOf(connection).status,
  isGone: (connection) => !connection.open,
  async cancel(connection) {
    if (connection.open) connection.interrupt();
    return true;
  },
  closeGracefully(connection) {
    connection.close((error) => {
      if (!error) tellEnded(connection);
    });
  },
  destroySocket: () => {},
  send: (connection, sql) =>
    new Promise((resolve, reject) => {
      ownMethods(connection).run.call(connection, sql, (error: Error | null) => {
        transactionsOf(connection).note(sql, error);
        // After some errors SQLite has rolled back by itself, and nothing is left to do.
        if (error && !(sql === 'ROLLBACK' && NO_TRANSACTION.test(error.message))) reject(error);
        else resolve(undefined);
      });
    }),
  hasCommitted: (_connection, { sql, error }) => !error && isCommit(withPlainComments(sql)),
  schemaChange: SCHEMA_CHANGE,
};
