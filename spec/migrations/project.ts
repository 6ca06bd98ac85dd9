// A folder with a plain knexfile and migrations, and real processes that run them: knex's CLI, and a guarded runner.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestDatabase } from '../support/database';

const knex = path.dirname(require.resolve(`${process.env.KNEX_BUILD ?? 'knex'}/package.json`));
const cli = path.join(knex, 'bin', 'cli.js');
const lib = path.resolve(__dirname, '..', '..', 'lib');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Both streams. */
  output: string;
}

/** Registers the hooks that make a folder for each test, and end what it still runs. */
export function useProject(database: () => TestDatabase): Project {
  const project = new Project();
  beforeEach(() => project.open(database().url));
  afterEach(() => project.close());
  return project;
}

export class Project {
  #folder = '';
  #url = '';
  readonly #running = new Set<ChildProcess>();

  open(url: string): void {
    this.#url = url;
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'knex-reset-migrations-'));
    fs.mkdirSync(path.join(this.#folder, 'migrations'));
    this.#write('knexfile.js', `module.exports = { client: 'pg', connection: ${JSON.stringify(url)} };`);
  }

  /** Files in `migrations/`, in the order of their names. In them, `resettable`, `atomic` and `afterCommit` are this package's. */
  add(files: Record<string, string>): void {
    const head = `const { afterCommit, atomic, resettable } = require(${JSON.stringify(lib)});\n`;
    for (const [name, text] of Object.entries(files)) this.#write(path.join('migrations', `${name}.js`), head + text);
  }

  /** `knex …` */
  cli(...args: string[]): Run {
    return this.#start([cli, ...args]);
  }

  /** A process that runs `db.migrate.latest()` under `withMigrationLock`. */
  guarded(options: object = {}): Run {
    const script = path.join(__dirname, 'fixtures', 'guarded-runner.ts');
    return this.#start([script, this.#url, JSON.stringify(options)]);
  }

  async close(): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL');
    await Promise.all([...this.#running].map((child) => once(child, 'exit')));
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(name: string, text: string): void {
    fs.writeFileSync(path.join(this.#folder, name), text);
  }

  #start(args: string[]): Run {
    const child = spawn(process.execPath, ['--require', require.resolve('tsx/cjs'), ...args], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, KNEX_PATH: knex, NO_COLOR: '1', FORCE_COLOR: '0', PGAPPNAME: 'runner' },
    });
    this.#running.add(child);
    const run = new Run(child);
    void run.ended.then(() => this.#running.delete(child));
    return run;
  }
}

export class Run {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.ended = once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      output: this.output,
    }));
  }

  kill(): Promise<Ended> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }
}
