// The databases of a PostgreSQL server, over a connection of their own: made, dropped, and locked by name for as long as a process lives.
import { sleep } from '../../words/waiting';
import { createHash } from 'node:crypto';
import { means } from '../error-codes';
import type { PgConnection } from './client';
import { PLAIN_ROWS } from './plain-rows';

type Row = Record<string, unknown>;

/** Shared by those who use a database, exclusive for the one who makes or drops it. */
export type LockMode = 'shared' | 'exclusive';

const quoteName = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** The locks of a session are gone with it: whoever has a lock is alive. */
const lockKey = (name: string) =>
  createHash('sha256').update(`knex-reset database ${name}`).digest().readBigInt64BE().toString();

export class PgDatabases {
  readonly #connection: PgConnection & { ref?(): void; unref?(): void };
  #version = 0;
  /** The database that it is connected to: locks are known in it alone. */
  home = '';
  /** Another server, or the same one started again, has another. */
  server = '';
  role = '';

  constructor(connection: object) {
    this.#connection = connection as PgConnection;
    this.#connection.on('error', () => {}); // each query tells
  }

  get isOpen(): boolean {
    return this.#connection._ended !== true && this.#connection._queryable !== false;
  }

  /** @throws Error for a pooler that lends its connections by the transaction: locks would stay on them */
  async prepare(): Promise<void> {
    const [row] = await this.#ask(
      `select current_database() as home, current_user as role, current_setting('server_version_num')::int as version, pg_backend_pid() as pid,
        concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time()) as server,
        (select count(set_config(name, '0', false)) from pg_settings
          where name in ('idle_session_timeout', 'statement_timeout', 'lock_timeout', 'transaction_timeout'))`,
    );
    this.home = String(row?.home);
    this.role = String(row?.role);
    this.server = String(row?.server);
    this.#version = Number(row?.version);
    if (row?.pid !== this.#connection.processID) {
      throw new Error(
        'workerDatabase: connected through a pooler that lends connections by the transaction; give a connection to the server itself',
      );
    }
  }

  /** Calls back when the connection ends. */
  onEnd(listener: () => void): void {
    this.#connection.once('end', listener);
  }

  /** The process may end while the connection is open. */
  rest(): void {
    this.#connection.unref?.();
  }

  /** The connection keeps the process alive. */
  wake(): void {
    this.#connection.ref?.();
  }

  async lock(name: string, mode: LockMode): Promise<void> {
    await this.#ask(`select pg_advisory_lock${mode === 'shared' ? '_shared' : ''}(${lockKey(name)})`);
  }

  async tryLock(name: string): Promise<boolean> {
    const [row] = await this.#ask(`select pg_try_advisory_lock(${lockKey(name)}) as taken`);
    return row?.taken === true;
  }

  async unlock(name: string, mode: LockMode): Promise<void> {
    await this.#ask(`select pg_advisory_unlock${mode === 'shared' ? '_shared' : ''}(${lockKey(name)})`);
  }

  async exists(name: string): Promise<boolean> {
    return (await this.#ask('select from pg_database where datname = $1', [name])).length > 0;
  }

  /** Those that we may drop, the newest first. */
  async list(prefix: string): Promise<string[]> {
    const rows = await this.#ask(
      `select datname as name from pg_database where starts_with(datname, $1) and pg_has_role(datdba, 'USAGE') order by oid desc`,
      [prefix],
    );
    return rows.map(({ name }) => String(name));
  }

  async create(name: string, template?: string): Promise<void> {
    const sql = `create database ${quoteName(name)}${template === undefined ? '' : ` template ${quoteName(template)}`}`;
    // Somebody may be connected to template1 for a moment, autovacuum to any.
    await unlessBusy(() => this.#ask(sql));
  }

  /** From now on it is complete, and nobody can connect to it. */
  async seal(making: string, template: string): Promise<void> {
    await this.#ask(`alter database ${quoteName(making)} with allow_connections false`);
    await this.#endSessions(making);
    await this.#ask(`alter database ${quoteName(making)} with is_template true`);
    await unlessBusy(() => this.#ask(`alter database ${quoteName(making)} rename to ${quoteName(template)}`));
  }

  /** Whoever is connected is cut off. Nothing happens where there is none. */
  async drop(name: string): Promise<void> {
    try {
      const [row] = await this.#ask('select datistemplate as sealed from pg_database where datname = $1', [name]);
      if (!row) return;
      if (row.sealed) await this.#ask(`alter database ${quoteName(name)} with is_template false`);
      const force = this.#version >= 130_000;
      if (!force) await this.#endSessions(name);
      await this.#ask(`drop database if exists ${quoteName(name)}${force ? ' with (force)' : ''}`);
    } catch (error) {
      if (!means(error, 'noDatabase')) throw error;
    }
  }

  async close(): Promise<void> {
    this.wake();
    await this.#connection.end();
  }

  async #endSessions(name: string): Promise<void> {
    await this.#ask(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [name],
    );
  }

  #ask(sql: string, values?: unknown[]): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      this.#connection.query({ text: sql, ...PLAIN_ROWS }, values, (error, result) => {
        if (error) reject(error);
        else resolve((result as { rows: Row[] }).rows);
      });
    });
  }
}

const TRIES = 20;
const PAUSE_MILLIS = 100;

async function unlessBusy(work: () => Promise<unknown>): Promise<void> {
  for (let left = TRIES; ; left--) {
    try {
      await work();
      return;
    } catch (error) {
      if (!means(error, 'inUse') || left === 0) throw error;
      await sleep(PAUSE_MILLIS);
    }
  }
}

/** The role has not the right to create databases. */
export function isForbidden(error: unknown): boolean {
  return means(error, 'forbidden');
}

/** There is no database of that name. */
export function isMissing(error: unknown): boolean {
  return means(error, 'noDatabase');
}
