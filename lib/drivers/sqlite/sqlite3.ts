// SQLite through `sqlite3`: statements run in a thread, with a callback; it does not tell whether a transaction is open.
import { throwLater } from '../../words/foreign';
import type { Driver } from '../driver';
import type { PendingStatement } from '../pending-statement';
import type { StatementSink } from '../statement-sink';
import { isInMemory } from './in-memory';
import { isCommit, isEndInScript, isRestartInScript, isScript, withPlainComments } from '../statement-text';
import { NO_TRANSACTION, SaidTransactions } from './said-transactions';
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

const transactions = new WeakMap<SqliteConnection, SaidTransactions>();

function transactionsOf(connection: SqliteConnection): SaidTransactions {
  const known = transactions.get(connection) ?? new SaidTransactions();
  transactions.set(connection, known);
  return known;
}

/** The connection's own method, without the tap. */
function ownMethods(connection: SqliteConnection): SqliteConnection {
  return Object.getPrototypeOf(connection) as SqliteConnection;
}

/**
 * Some errors roll back by themselves (OR ROLLBACK, a trigger, a full disk), and no error says so; nor does anything say what a script has
 * begun or ended. A BEGIN tells, which only an open transaction refuses.
 */
function look(connection: SqliteConnection, state: SaidTransactions, looked: () => void): void {
  const { run } = ownMethods(connection);
  run.call(connection, 'BEGIN', (refused: Error | null) => {
    state.note(refused ? 'BEGIN' : 'ROLLBACK', null);
    if (refused) looked();
    else run.call(connection, 'ROLLBACK', looked);
  });
}

class SqliteStatement implements PendingStatement {
  constructor(
    private readonly sink: StatementSink,
    private readonly connection: SqliteConnection,
    readonly sql: string,
    private readonly send: (done: Callback) => void,
    private callback: Callback,
    private readonly runsScripts: boolean,
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
    const isUnknown = this.runsScripts ? isScript(this.sql) : error !== null && state.status === 'open';
    if (isUnknown) look(this.connection, state, tell);
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
      sink.ask(new SqliteStatement(sink, connection, String(sql), run, callback, name === 'exec'));
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
  losesDataOnClose: ({ open, filename }) => open && isInMemory(filename),
  backendId: () => undefined,
  status: (connection) => transactionsOf(connection).status,
  // One that was closed by hand answers nothing more.
  isInStep: ({ open }) => open,
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
  mayHaveEnded: (sql) => isEndInScript(withPlainComments(sql)),
  wasRestarted: (_connection, { sql }) => isRestartInScript(withPlainComments(sql)),
  schemaChange: SCHEMA_CHANGE,
};
