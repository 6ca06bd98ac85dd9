// A new, empty database for each spec, owned by an ordinary role of its own, and what its server says about it: a superuser only looks on.
import { randomBytes } from 'node:crypto';
import { Client, type QueryResultRow } from 'pg';
import { until } from './until';
import { parametersFor, type WayParameters } from './way';

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

/** In the object form that pg, and so knex, take. The way to the server is that of the run. */
export type ConnectionParameters = WayParameters & { user: string; password: string; database: string };

export interface RoleOptions {
  /** Whether the role may create databases, which an ordinary one may not. @default false */
  createsDatabases?: boolean;
}

/**
 * Makes a database, and the ordinary role that owns it, on the server of DATABASE_URL, or of another one. The URL is a
 * superuser's. `drop()` both in an `after` hook.
 */
export async function freshDatabase(
  serverUrl = process.env.DATABASE_URL,
  options?: RoleOptions,
): Promise<TestDatabase> {
  if (!serverUrl) throw new Error('DATABASE_URL is not set: run the specs through mocha, whose global setup sets it');
  const observer = new Client({ connectionString: serverUrl, application_name: 'observer' });
  // Specs stop and kill servers; what matters of it shows in the observer's next query.
  observer.on('error', () => {});
  await observer.connect();
  try {
    const { name, password } = await createOwned(observer, options);
    const folders = await observer.query<{ unix_socket_directories: string }>('show unix_socket_directories');
    const [folder = ''] = folders.rows[0]?.unix_socket_directories.split(',') ?? [];
    const way = parametersFor({ host: observer.host, port: observer.port }, folder);
    return new TestDatabase(
      urlOf(serverUrl, name, password),
      { ...way, user: name, password, database: name },
      observer,
    );
  } catch (error) {
    await observer.end();
    throw error;
  }
}

/** The same on a server that the spec ends itself: the URL of a new database for its owner, and no connection that stays. */
export async function ordinaryUrl(serverUrl: string): Promise<string> {
  const superuser = new Client({ connectionString: serverUrl });
  await superuser.connect();
  try {
    const { name, password } = await createOwned(superuser);
    return urlOf(serverUrl, name, password);
  } finally {
    await superuser.end();
  }
}

/** The role and its database have one name. Nobody else may connect to the database but superusers. */
async function createOwned(
  superuser: Client,
  { createsDatabases = false }: RoleOptions = {},
): Promise<{ name: string; password: string }> {
  const name = `spec_${process.pid}_${randomBytes(5).toString('hex')}`;
  const password = randomBytes(8).toString('hex');
  await superuser.query(`create role ${name} login password '${password}'${createsDatabases ? ' createdb' : ''}`);
  await superuser.query(`create database ${name} owner ${name}`);
  await superuser.query(`revoke all on database ${name} from public`);
  return { name, password };
}

function urlOf(serverUrl: string, name: string, password: string): string {
  const url = new URL(serverUrl);
  Object.assign(url, { pathname: `/${name}`, username: name, password });
  return url.href;
}

export class TestDatabase {
  /** The database's, and its owner's. */
  readonly name: string;
  /** For the owner, over TCP. */
  readonly url: string;
  /** For the owner, the way of the run. */
  readonly connection: ConnectionParameters;
  /** A superuser, connected to another database of the same server, so that it never counts itself. */
  readonly observer: Client;

  constructor(url: string, connection: ConnectionParameters, observer: Client) {
    this.name = connection.database;
    this.url = url;
    this.connection = connection;
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

  /** Runs one statement inside this database as its owner, on a connection of its own that is gone from the server afterwards. */
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

  /** Ends the connections that are left, removes all that the owner has, the owner too, and lets the observer go. */
  async drop(): Promise<void> {
    try {
      const owned = await this.observer.query<{ datname: string }>(
        'select datname from pg_database where pg_get_userbyid(datdba) = $1',
        [this.name],
      );
      for (const { datname } of owned.rows) {
        await this.observer.query(`alter database "${datname}" is_template false`);
        await this.observer.query(`drop database "${datname}" with (force)`);
      }
      await this.observer.query(`drop role if exists ${this.name}`);
    } finally {
      await this.observer.end();
    }
  }
}
