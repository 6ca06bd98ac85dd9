// SQLite through `better-sqlite3`: every statement is answered when its method returns, so no statement ever runs while other code does.
import type { Driver } from '../driver';
import type { StatementSink } from '../statement-sink';
import { isInMemory } from './in-memory';
import { isCommit, isEndInScript, isRestartInScript, withPlainComments } from '../statement-text';
import { SCHEMA_CHANGE } from './schema';
import { addSink, replaceMethod, tellEnded } from './taps';

type Method = (...args: unknown[]) => unknown;

interface BetterStatement {
  all: Method;
  get: Method;
  run: Method;
  iterate: Method;
}

interface BetterConnection {
  readonly name: string;
  readonly memory: boolean;
  readonly open: boolean;
  readonly inTransaction: boolean;
  prepare(sql: string): BetterStatement;
  exec(sql: string): unknown;
  close(): unknown;
}

/** Runs a statement without the tap. */
function execute(connection: BetterConnection, sql: string): unknown {
  const { exec } = Object.getPrototypeOf(connection) as BetterConnection;
  return exec.call(connection, sql);
}

/** libsql ends the process when a closed connection is asked for `inTransaction`. */
function isInTransaction(connection: BetterConnection): boolean {
  return connection.open && connection.inTransaction;
}

/** The sinks of connections with a statement under way. */
const flying = new WeakSet<StatementSink>();
const EXECUTING = ['all', 'get', 'run', 'iterate'] as const;

/** Runs the work as one statement of the queue. */
function fly<T>(sink: StatementSink, sql: string, work: () => T): T {
  // A user-defined function sends a statement while the statement that called it is under way.
  if (flying.has(sink)) return work();
  let outcome: { result?: T; error?: unknown } | undefined;
  const run = () => {
    flying.add(sink);
    try {
      outcome = { result: work() };
    } catch (error) {
      outcome = { error };
    } finally {
      flying.delete(sink);
    }
    return outcome;
  };
  const tell = ({ error, result }: { result?: T; error?: unknown }): unknown => {
    const told = sink.answered(error, result, undefined);
    sink.next();
    return told;
  };
  const start = () => void (outcome ? tell(outcome) : run());
  sink.ask({ sql, start, abort: () => {} });
  if (outcome) {
    const told = tell(outcome);
    if ('error' in outcome) throw told;
    return outcome.result as T;
  }
  if (sink.refusal) throw sink.refusal;
  // A statement of this package has been answered and is about to leave the queue, so nothing runs. The queue takes this one next.
  const { error, result } = run();
  if (error !== undefined) throw error;
  return result as T;
}

function tapBetter(connection: BetterConnection, sink: StatementSink): () => void {
  const leave = addSink(connection, sink);
  const { prepare, exec } = connection;
  const own: Pick<BetterConnection, 'exec' | 'prepare'> = {
    exec: (sql) => fly(sink, sql, () => exec.call(connection, sql)),
    prepare(sql) {
      let statement: BetterStatement;
      try {
        statement = prepare.call(connection, sql);
      } catch (error) {
        return fly(sink, sql, () => {
          throw error;
        });
      }
      for (const name of EXECUTING) {
        const execute = statement[name];
        const tapped: BetterStatement[typeof name] = (...args) => fly(sink, sql, () => execute.apply(statement, args));
        statement[name] = tapped;
      }
      return statement;
    },
  };
  const restore = [replaceMethod(connection, 'exec', own.exec), replaceMethod(connection, 'prepare', own.prepare)];
  return () => {
    leave();
    for (const undo of restore) undo();
  };
}

export const betterSqliteDriver: Driver<BetterConnection> = {
  name: 'better-sqlite3',
  tap: tapBetter,
  // The driver says so itself, except for URIs. (libsql has the same interface, but gives no name.)
  losesDataOnClose: ({ open, memory, name }) => open && (memory || (name !== '' && isInMemory(name))),
  backendId: () => undefined,
  status: (connection) => (isInTransaction(connection) ? 'open' : 'idle'),
  // One that was closed by hand answers nothing more.
  isInStep: ({ open }) => open,
  isGone: (connection) => !connection.open,
  cancel: async () => true,
  closeGracefully(connection) {
    try {
      // An open iterator prevents the close, and so keeps the locks of its transaction.
      if (isInTransaction(connection)) execute(connection, 'ROLLBACK');
      connection.close();
    } catch {
      return; // the garbage collector closes it
    }
    tellEnded(connection);
  },
  destroySocket: () => {},
  send: async (connection, sql) => execute(connection, sql),
  hasCommitted: (_connection, { sql, error }) => !error && isCommit(withPlainComments(sql)),
  mayHaveEnded: (sql) => isEndInScript(withPlainComments(sql)),
  wasRestarted: (_connection, { sql }) => isRestartInScript(withPlainComments(sql)),
  schemaChange: SCHEMA_CHANGE,
};
