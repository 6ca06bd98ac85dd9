// A PgBouncer of our own in front of one test database, which lends connections by the transaction: it dies, files included, with this process.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { TestDatabase } from './database';
import { findProgram, programEnvironment, whyMissing } from './find-program';
import { freePort } from './free-port';
import { giveTo, serverUser } from './postgres-binaries';
import { Watchdog } from './watchdog';
import type { Address } from './way';

/** Why there is no PgBouncer to run the specs against; undefined: there is one. */
export function whyNoPgBouncer(): string | undefined {
  return whyMissing('pgbouncer');
}

export class PgBouncer {
  readonly port: number;
  readonly #folder: string;
  readonly #watchdog: Watchdog;
  #process: ChildProcess | undefined;

  /** `settings` are those of the section [pgbouncer] of its file. */
  static async before(database: TestDatabase, settings: Record<string, string> = {}): Promise<PgBouncer> {
    const bouncer = new PgBouncer(await freePort());
    try {
      await bouncer.#start(database, settings);
      return bouncer;
    } catch (error) {
      await bouncer.dispose();
      throw error;
    }
  }

  private constructor(port: number) {
    this.port = port;
    this.#folder = path.join(os.tmpdir(), `knex-reset-pgbouncer-${randomBytes(6).toString('hex')}`);
    this.#watchdog = new Watchdog([this.#folder]);
    fs.mkdirSync(this.#folder, { mode: 0o700 });
  }

  /** The same connection parameters, by way of this pooler. */
  through<C extends object>(connection: C): C & Address {
    return { ...connection, stream: undefined, ssl: undefined, host: '127.0.0.1', port: this.port };
  }

  async dispose(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      child.ref();
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      this.#watchdog.guard(undefined);
    }
    await this.#watchdog.dismiss();
  }

  async #start(database: TestDatabase, settings: Record<string, string>): Promise<void> {
    const user = serverUser();
    const child = spawn(findProgram('pgbouncer') as string, [this.#configure(database, settings)], {
      ...user,
      cwd: this.#folder,
      env: programEnvironment,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // a Ctrl-C in the terminal is for us; the watchdog tells the server
    });
    this.#process = child;
    this.#watchdog.guard(child.pid);
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => reject(new Error(`pgbouncer ended early (${code ?? signal}):\n${log}`)));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        if (log.includes('process up')) resolve();
      });
    });
    child.unref();
    (child.stderr as net.Socket).unref();
  }

  #configure(database: TestDatabase, settings: Record<string, string>): string {
    const { host, port } = database.observer;
    const { user, password } = database.connection;
    const [file, users] = ['pgbouncer.ini', 'users.txt'].map((name) => path.join(this.#folder, name)) as [
      string,
      string,
    ];
    const all = {
      listen_addr: '127.0.0.1',
      listen_port: String(this.port),
      unix_socket_dir: '',
      auth_type: 'trust',
      auth_file: users,
      pool_mode: 'transaction',
      default_pool_size: '3',
      server_tls_sslmode: 'prefer',
      ...settings,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
    fs.writeFileSync(users, `"${user}" "${password}"\n`);
    fs.writeFileSync(file, ['[databases]', `* = host=${host} port=${port}`, '[pgbouncer]', ...lines, ''].join('\n'));
    giveTo(serverUser(), this.#folder);
    return file;
  }
}
