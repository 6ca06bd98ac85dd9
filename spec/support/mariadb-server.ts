// A MariaDB server of our own for the specs of the MySQL driver, where the machine has one: it dies, files included, with this process.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { findProgram, programEnvironment as environment, whyMissing } from './find-program';
import { freePort } from './free-port';
import { giveTo, type ServerUser, serverUser } from './postgres-binaries';
import { Watchdog } from './watchdog';

/** Why there is no MariaDB to run the specs against; undefined: there is one. */
export function whyNoMariadb(): string | undefined {
  return whyMissing('mariadbd', 'mariadb-install-db');
}

export class MariadbServer {
  readonly port: number;
  readonly #settings: Record<string, string>;
  readonly #folder: string;
  readonly #user: ServerUser;
  readonly #watchdog: Watchdog;
  #process: ChildProcess | undefined;
  #log = '';

  /** Makes a data folder where root needs no password, and starts the server; `settings` are options of mariadbd. */
  static async create(settings: Record<string, string> = {}): Promise<MariadbServer> {
    const server = new MariadbServer(await freePort(), settings);
    try {
      await server.#initialize();
      await server.#start();
      return server;
    } catch (error) {
      await server.dispose();
      throw error;
    }
  }

  private constructor(port: number, settings: Record<string, string>) {
    this.port = port;
    this.#settings = settings;
    this.#user = serverUser();
    this.#folder = path.join(os.tmpdir(), `knex-reset-mariadb-${randomBytes(6).toString('hex')}`);
    this.#watchdog = new Watchdog([this.#folder]);
    for (const folder of [this.#folder, this.#temporary]) fs.mkdirSync(folder, { mode: 0o700 });
    giveTo(this.#user, this.#folder);
  }

  get root(): { host: string; port: number; user: string } {
    return { host: '127.0.0.1', port: this.port, user: 'root' };
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  /** Ends the server by a signal, and starts it again on its data and port. */
  async restart(name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#end(name);
    this.#log = '';
    await this.#start();
  }

  async dispose(): Promise<void> {
    await this.#end('SIGKILL');
    await this.#watchdog.dismiss();
  }

  async #end(name: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = once(child, 'exit');
    child.kill(name);
    await exited;
    this.#watchdog.guard(undefined);
  }

  async #initialize(): Promise<void> {
    const flags = ['--auth-root-authentication-method=normal', '--skip-test-db', `--datadir=${this.#data}`];
    flags.push(`--tmpdir=${this.#temporary}`);
    const running = promisify(execFile)(findProgram('mariadb-install-db') as string, ['--no-defaults', ...flags], {
      ...this.#user,
      cwd: this.#folder,
      env: environment,
    });
    this.#watchdog.guard(running.child.pid);
    await running;
  }

  async #start(): Promise<void> {
    const all = {
      datadir: this.#data,
      tmpdir: this.#temporary,
      port: String(this.port),
      'bind-address': '127.0.0.1',
      socket: path.join(this.#folder, 'socket'),
      'pid-file': path.join(this.#folder, 'pid'),
      'innodb-flush-log-at-trx-commit': '0',
      ...this.#settings,
    };
    const flags = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(findProgram('mariadbd') as string, ['--no-defaults', ...flags], {
      ...this.#user,
      cwd: this.#folder,
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // a Ctrl-C in the terminal is for us; the watchdog tells the server
    });
    this.#process = child;
    this.#watchdog.guard(child.pid);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      // Not `exit`: what it wrote last may still be on its way then.
      child.once('close', (code, signal) =>
        reject(new Error(`mariadbd ended early (${code ?? signal}):\n${this.#log}`)),
      );
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
        if (this.#log.includes('ready for connections')) resolve();
      });
    });
    child.unref();
    (child.stderr as net.Socket).unref();
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  /** Of its own: a server that starts removes the temporary tables that it finds, another's in the same folder too. */
  get #temporary(): string {
    return path.join(this.#folder, 'tmp');
  }
}
