// A PostgreSQL server of our own for a run of specs: it dies, files included, with the process that made it.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port';
import { type Binaries, binariesFor, giveTo, type ServerUser, serverUser } from './postgres-binaries';
import { within } from '../../lib/words/waiting';
import { secure } from './secured-server';
import { spaciousFolder } from './spacious-folder';
import { Watchdog } from './watchdog';
import { wayOfRun } from './way';

/** How the server goes down: after its clients left, at once, without a checkpoint, or killed. */
export type StopMode = 'smart' | 'fast' | 'immediate' | 'crash';

const signals: Record<StopMode, NodeJS.Signals> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
  crash: 'SIGKILL',
};

const environment = { PATH: process.env.PATH, LC_ALL: 'C' };

export class PostgresServer {
  readonly port: number;
  readonly #folder: string;
  readonly #user: ServerUser;
  readonly #binaries: Binaries;
  readonly #settings: Record<string, string>;
  readonly #watchdog: Watchdog;
  /** TLS, and SCRAM for everybody but the superuser. */
  readonly #isSecured = wayOfRun() === 'tls';
  #process: ChildProcess | undefined;
  #log = '';

  /** Makes a cluster with trust authentication (where the way of the run is TLS, with SCRAM) and starts it; `settings` are postgresql.conf settings. */
  static async create(settings: Record<string, string> = {}): Promise<PostgresServer> {
    const server = new PostgresServer(await freePort(), settings);
    try {
      await server.#initialize();
      await server.start();
      return server;
    } catch (error) {
      await server.dispose();
      throw error;
    }
  }

  private constructor(port: number, settings: Record<string, string>) {
    this.port = port;
    this.#user = serverUser();
    const id = randomBytes(6).toString('hex');
    this.#folder = path.join(spaciousFolder(), `knex-reset-pg-${id}`);
    // Apart from the data, since a memory file system is often mounted noexec.
    const copyFolder = path.join(os.tmpdir(), `knex-reset-bin-${id}`);
    this.#watchdog = new Watchdog([this.#folder, copyFolder]);
    for (const folder of [this.#folder, copyFolder]) fs.mkdirSync(folder, { mode: 0o700 });
    giveTo(this.#user, this.#folder);
    this.#binaries = binariesFor(this.#user, copyFolder);
    this.#settings = {
      // Safe against killed processes, not against a power cut; so synchronous_commit stays on.
      fsync: 'off',
      full_page_writes: 'off',
      max_connections: '300',
      // An ordinary role may not set it.
      deadlock_timeout: '50ms',
      shared_buffers: '32MB',
      // In the data folder, so that a killed server leaves nothing in /dev/shm.
      dynamic_shared_memory_type: 'mmap',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.#folder,
      ...(this.#isSecured && { ssl: 'on' }),
      ...settings,
    };
  }

  /** A hot standby of this server, which is stopped while its data is copied: its clients lose their connections. */
  async makeStandby(settings: Record<string, string> = {}): Promise<PostgresServer> {
    const primary_conninfo = `host=127.0.0.1 port=${this.port} user=postgres sslmode=disable`;
    const standby = new PostgresServer(await freePort(), { primary_conninfo, ...settings });
    try {
      await this.stop('fast');
      execFileSync('cp', ['-R', this.#data, standby.#data]);
      fs.writeFileSync(path.join(standby.#data, 'standby.signal'), '');
      giveTo(standby.#user, standby.#data);
      await this.start();
      await standby.start();
      return standby;
    } catch (error) {
      await standby.dispose();
      throw error;
    }
  }

  /** For a superuser. */
  get url(): string {
    return this.urlFor('postgres');
  }

  urlFor(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** What the server wrote since it was last started. */
  get log(): string {
    return this.#log;
  }

  /** Resolves once connections are accepted, after crash recovery where the server was killed. */
  async start(): Promise<void> {
    const flags = Object.entries(this.#settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(this.#binaries.postgres, ['-D', this.#data, '-p', String(this.port), ...flags], {
      ...this.#user,
      cwd: this.#folder,
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true, // a Ctrl-C in the terminal is for us; the watchdog tells the server
    });
    this.#process = child;
    this.#watchdog.guard(child.pid);
    this.#log = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      // Not `exit`: what it wrote last may still be on its way then.
      child.once('close', (code, signal) =>
        reject(new Error(`postgres ended early (${code ?? signal}):\n${this.#log}`)),
      );
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
        if (/ready to accept (read-only )?connections/.test(this.#log)) resolve();
      });
    });
    child.unref();
    (child.stderr as net.Socket).unref();
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    (child.stderr as net.Socket).ref();
    const exited = once(child, 'exit');
    // Its log is closed when the last backend is gone, which outlives a crash for a moment and keeps the next start from the data.
    const closed = once(child, 'close');
    child.kill(signals[mode]);
    await exited;
    await within(5000, closed);
    (child.stderr as net.Socket).unref();
    this.#watchdog.guard(undefined);
  }

  async restart(mode?: StopMode): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  async dispose(): Promise<void> {
    await this.stop('immediate');
    await this.#watchdog.dismiss();
  }

  /** The file of the server's certificate, where it has TLS. */
  get certificate(): string | undefined {
    return this.#isSecured ? path.join(this.#data, 'server.crt') : undefined;
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  async #initialize(): Promise<void> {
    const flags = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync', '--no-instructions'];
    const running = promisify(execFile)(this.#binaries.initdb, ['-D', this.#data, ...flags], {
      ...this.#user,
      cwd: this.#folder,
      env: environment,
    });
    this.#watchdog.guard(running.child.pid);
    await running;
    if (this.#isSecured) {
      secure(this.#data);
      giveTo(this.#user, this.#data);
    }
  }
}
