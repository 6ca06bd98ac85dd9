// Any driver that is not known better: what knex sends is heard of, nothing can be stopped, connections are closed through knex.
import { defer } from '../waiting';
import type { Carried, Driver, Flight, Line } from './driver';
import { saysRolledBack } from './pg';

interface Closer {
  destroyRawConnection(connection: object): Promise<unknown>;
}

class KnexFlight implements Flight {
  readonly #answer = defer<unknown>();

  constructor(
    private readonly line: Line,
    private readonly statement: Carried,
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
    settle(this.line.answered(error, result, undefined));
    this.line.next();
  }
}

export function otherDriver(client: Closer, name: string): Driver<object> {
  const lines = new WeakMap<object, Line>();
  const close = (connection: object) => {
    const ended = () => lines.get(connection)?.ended();
    const closing = async () => client.destroyRawConnection(connection);
    closing().then(ended, ended);
  };
  return {
    name,
    tap(connection, line) {
      lines.set(connection, line);
      return () => lines.delete(connection);
    },
    carry(connection, statement) {
      const line = lines.get(connection);
      if (!line) return statement.send();
      const flight = new KnexFlight(line, statement);
      line.ask(flight);
      return flight.answer;
    },
    backendId: () => undefined,
    status: () => 'unknown',
    isGone: () => false,
    end: close,
    cut: close,
    send: async () => {},
    saysRolledBack,
  };
}
