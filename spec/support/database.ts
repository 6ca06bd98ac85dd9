// A new, empty database for each spec, and what its server says about it, seen from outside.
import { randomBytes } from 'node:crypto';
import { Client, type QueryResultRow } from 'pg';
import { until } from './until';

export interface Backend {
  pid: number;
  state: string | null;
  query: string;
  application_name: string;
  backend_start: Date;
}

export interface Lock {
  pid: number;
  locktype: string;
  mode: string;
  granted: boolean;
  relation: number | null;
}

/** In the object form that pg, and so knex, take. */
export interface ConnectionParameters {
  host: string;
  port: number;
  user: string;
  password: string | undefined;
  database: string;
}

/** Makes a database on the server of DATABASE_URL, or of another one. `drop()` it in an `after` hook. */
export async function freshDatabase(serverUrl = process.env.DATABASE_URL): Promise<TestDatabase> {
  if (!serverUrl) throw new Error('DATABASE_URL is not set: run the specs through mocha, whose global setup sets it');
  const observer = new Client({ connectionString: serverUrl, application_name: 'observer' });
  // Specs stop and kill servers; what matters of it shows in the observer's next query.
  observer.on('error', () => {});
  await observer.connect();
  const name = `spec_${process.pid}_${randomBytes(5).toString('hex')}`;
  try {
    await observer.query(`create database ${name}`);
  } catch (error) {
    await observer.end();
    throw error;
  }
  return new TestDatabase(name, serverUrl, observer);
}

export class TestDatabase {
  readonly name: string;
  readonly url: string;
  readonly connection: ConnectionParameters;
  /** Connected to another database of the same server, so that it never counts itself. */
  readonly observer: Client;

  constructor(name: string, serverUrl: string, observer: Client) {
    const url = new URL(serverUrl);
    url.pathname = `/${name}`;
    const { host, port, user = 'postgres', password } = observer;
    this.name = name;
    this.url = url.href;
    this.connection = { host, port, user, password: password ?? undefined, database: name };
    this.observer = observer;
  }

  /** The client backends of this database, oldest first. */
  async backends(): Promise<Backend[]> {
    const { rows } = await this.observer.query<Backend>(
      `select pid, state, query, application_name, backend_start
         from pg_stat_activity
        where datname = $1 and backend_type = 'client backend'
        order by backend_start, pid`,
      [this.name],
    );
    return rows;
  }

  /** What those backends hold or wait for. */
  async locks(): Promise<Lock[]> {
    const { rows } = await this.observer.query<Lock>(
      `select l.pid, l.locktype, l.mode, l.granted, l.relation
         from pg_locks l
         join pg_stat_activity a using (pid)
        where a.datname = $1 and a.backend_type = 'client backend'
        order by l.pid, l.locktype, l.mode`,
      [this.name],
    );
    return rows;
  }

  /** Resolves once the backend is gone; false if there was none. */
  async terminate(pid: number): Promise<boolean> {
    const { rows } = await this.observer.query<{ sent: boolean }>('select pg_terminate_backend($1) as sent', [pid]);
    await until(`backend ${pid} is gone`, async () => (await this.backends()).every((backend) => backend.pid !== pid));
    return rows[0]?.sent ?? false;
  }

  /** Runs one statement inside this database, on a connection of its own that is gone from the server afterwards. */
  async query<R extends QueryResultRow = QueryResultRow>(sql: string, bindings: unknown[] = []): Promise<R[]> {
    const client = new Client({ connectionString: this.url, application_name: 'test-database' });
    client.on('error', () => {}); // connect() and query() tell
    await client.connect();
    try {
      return (await client.query<R>(sql, bindings)).rows;
    } finally {
      await client.end();
    }
  }

  /** Ends whoever is still connected, removes the database, and lets the observer go. */
  async drop(): Promise<void> {
    try {
      await this.observer.query(`drop database if exists ${this.name} with (force)`);
    } finally {
      await this.observer.end();
    }
  }
}
