// Any other driver: the statements of knex are seen, nothing can be stopped, and connections are closed through knex.
import type { ClientFacts } from '../knex/client-facts';
import { defer } from '../words/waiting';
import type { Begin } from './begin';
import type { Driver } from './driver';
import type { PendingStatement } from './pending-statement';
import type { KnexStatement, StatementSink } from './statement-sink';
import { beginOnMysql } from './mysql/mysql';
import { beginOnPostgres, saysRolledBack } from './pg/pg';

/** By knex's name of the driver. Undefined: knex does not ask for what is read-only. */
const BEGIN: ReadonlyMap<string, Begin | undefined> = new Map([
  // Taken when it is called: what MySQL needs is in a file of its own in the built package, and needs this one.
  ['mariadb', (modes) => beginOnMysql(modes)],
  ['pgnative', beginOnPostgres],
  ['pg', beginOnPostgres],
  ['mssql', undefined],
  ['oracledb', undefined],
]);
const BY_KNEX: Begin = () => undefined;

class CarriedStatement implements PendingStatement {
  readonly #answer = defer<unknown>();

  constructor(
    private readonly sink: StatementSink,
    private readonly statement: KnexStatement,
  ) {}

  get sql(): string {
    return this.statement.sql;
  }

  get isStream(): boolean {
    return this.statement.reader !== undefined;
  }

  get answer(): Promise<unknown> {
    return this.#answer.promise;
  }

  start(): void {
    this.statement.send().then(
      (result) => this.#done(() => this.#answer.resolve(result), null, result),
      (error) => this.#done((told) => this.#answer.reject(told), error, undefined),
    );
  }

  abort(error: Error): void {
    this.#answer.reject(error);
    this.statement.reader?.destroy(error);
  }

  #done(settle: (told: unknown) => void, error: unknown, result: unknown): void {
    settle(this.sink.answered(error, result, undefined));
    this.sink.next();
  }
}

export function otherDriver({
  driverName: name,
  close: closeByKnex,
}: Pick<ClientFacts, 'driverName' | 'close'>): Driver<object> {
  const lines = new WeakMap<object, StatementSink>();
  const begin = BEGIN.has(name) ? BEGIN.get(name) : BY_KNEX;
  const close = (connection: object) => {
    const ended = () => lines.get(connection)?.ended(true);
    const closing = async () => closeByKnex(connection);
    closing().then(ended, ended);
  };
  return {
    name,
    ...(begin && { begin }),
    tap(connection, sink) {
      lines.set(connection, sink);
      return () => lines.delete(connection);
    },
    carry(connection, statement) {
      const sink = lines.get(connection);
      if (!sink) return statement.send();
      const pending = new CarriedStatement(sink, statement);
      sink.ask(pending);
      return pending.answer;
    },
    backendId: () => undefined,
    status: () => 'unknown',
    isGone: () => false,
    closeGracefully: close,
    destroySocket: close,
    send: async () => {},
    saysRolledBack,
    hasCommitted: () => false,
  };
}
