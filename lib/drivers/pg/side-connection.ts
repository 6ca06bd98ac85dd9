// A second connection to the same PostgreSQL server: it cancels and terminates other sessions of the same role.
import { Deadline, type TimeLimit, within } from '../../words/waiting';
import { promised } from '../../words/foreign';
import type { ServerSession, SideConnection } from '../side-connection';
import type { PgConnection } from './client';
import { PLAIN_ROWS } from './plain-rows';
import { factoryOf } from './way';

const ignore = () => {};

/** On a class of clients that tells of each that is made: the class that it was made of. */
export const PLAIN = Symbol('knex-reset.plain');

type ConnectionClass = new (config: object) => PgConnection;

/** Another connection like this one: same server, same role, same way. */
function connectLike(connection: PgConnection): PgConnection {
  const { user, database, application_name, client_encoding } = connection.connectionParameters;
  const { host, port, password, ssl, sslNegotiation } = connection;
  const stream = factoryOf(connection);
  const Observed = connection.constructor as ConnectionClass & { [PLAIN]?: ConnectionClass };
  const Plain = Observed[PLAIN] ?? Observed;
  const config = { user, database, application_name, client_encoding, host, port, password, ssl };
  return new Plain({ ...config, sslnegotiation: sslNegotiation, ...(stream && { stream }) });
}

/** How much faster than the server's clock this machine's may run: twice what clocks are slewed by, https://man7.org/linux/man-pages/man2/adjtimex.2.html */
const CLOCK_DRIFT = 0.001;

/**
 * The sessions that are still ours. An id is reused once its session has ended: the new session began after ours was open, or
 * belongs to another session. Durations are compared, because the clocks of two machines differ.
 */
function ours(sessions: ServerSession[]): string {
  const each = sessions.map(({ id, ageMillis }) => {
    const sinceMillis = Math.floor(ageMillis * (1 - CLOCK_DRIFT));
    return `(pid = ${id} and backend_start < now() - interval '${sinceMillis} milliseconds')`;
  });
  return `from pg_stat_activity where usename = session_user and datname = current_database() and (${each.join(' or ')})`;
}

const IS_IN_COMMIT = `(state = 'active' and query ilike 'commit%')`;

class PgSideConnection implements SideConnection {
  readonly #client: PgConnection;
  readonly #ended: Promise<boolean>;
  readonly #connected: Promise<boolean>;
  /** The statement under way. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(like: PgConnection) {
    const client = connectLike(like);
    client.on('error', ignore);
    this.#client = client;
    this.#ended = new Promise((resolve) => {
      client.on('end', () => resolve(true));
    });
    this.#connected = client.connect().then(() => true);
    this.#connected.catch(ignore);
  }

  #ask(sql: string): Promise<unknown> {
    const answer = this.#client.query({ text: sql, ...PLAIN_ROWS }) as Promise<unknown>;
    this.#asking = answer.catch(ignore);
    return answer;
  }

  async terminate(sessions: ServerSession[]): Promise<number[]> {
    await this.#connected;
    const spared = sessions.filter(({ sparesCommit }) => sparesCommit);
    const others = sessions.filter(({ sparesCommit }) => !sparesCommit);
    const told = [
      ...(others.length > 0 ? [`select pg_terminate_backend(pid) ${ours(others)}`] : []),
      ...(spared.length > 0 ? [`select pg_terminate_backend(pid) ${ours(spared)} and not ${IS_IN_COMMIT}`] : []),
    ];
    const answers = await this.#ask([...told, `select pid ${ours(sessions)}`].join('; '));
    return (answers as { rows: { pid: number }[] }[]).at(-1)?.rows.map(({ pid }) => pid) ?? [];
  }

  async cancel(sessions: ServerSession[]): Promise<number[]> {
    await this.#connected;
    const { rows } = (await this.#ask(`select pid, pg_cancel_backend(pid) ${ours(sessions)}`)) as {
      rows: { pid: number }[];
    };
    return rows.map(({ pid }) => pid);
  }

  async close(limit: TimeLimit): Promise<void> {
    const { stream } = this.#client.connection;
    if ((await within(0, this.#connected)) === true) {
      // While a statement runs, pg would destroy the socket.
      const deadline = Deadline.of(limit);
      await within(deadline, this.#asking);
      await within(deadline, Promise.all([promised(() => this.#client.end()), this.#ended]));
    }
    stream.destroy();
  }
}

export function openSideConnection(connection: PgConnection): SideConnection {
  return new PgSideConnection(connection);
}
