// Small projects as users have them, in a temp folder with a built package, and the runs of their tests in child processes.
import { execFile } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { buildCode } from '../../script/build';
import { freshDatabase, type TestDatabase } from '../support/database';

const checkout = path.resolve(__dirname, '..', '..');
const projects = path.join(__dirname, 'projects');
const workers = 4;

/** How each test came out, by its full title: `passed`, `pending`, or the message that it failed with. */
export interface Run {
  tests: Record<string, string>;
  /** The code, or else the name, of the first error that is `suppressed` on the one of a failed test, where there is one. */
  suppressed: Record<string, string | undefined>;
  /** Undefined: it did not end by itself. */
  code: number | undefined;
  output: string;
}

/** Why a runner that the spec itself installs is not there; undefined: it is. */
export function whyNoRunners(): string | undefined {
  return process.env.RUNNERS ? undefined : 'with RUNNERS=1, as in CI: the spec installs it';
}

interface MochaReport {
  passes: { fullTitle: string }[];
  pending: { fullTitle: string }[];
  failures: { fullTitle: string; err: { message: string; suppressed?: { name?: string; code?: string }[] } }[];
}

export class Project {
  private constructor(
    readonly folder: string,
    readonly database: TestDatabase,
  ) {}

  /** Registers the hooks of a project in the `describe` that calls it. `name` is a folder below projects/: it gets db.js from there, unless it has its own. */
  static use(name: string): () => Project {
    let project: Project | undefined;
    before(async () => {
      project = await Project.create(name);
    });
    after(() => project?.remove());
    return () => project as Project;
  }

  static async create(name: string): Promise<Project> {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'knex-reset-'));
    const project = new Project(folder, await freshDatabase());
    await fs.copyFile(path.join(projects, 'db.js'), path.join(folder, 'db.js'));
    await fs.cp(path.join(projects, name), folder, { recursive: true });
    await project.install();
    for (const schema of ['public', ...Array.from({ length: workers }, (_, id) => `worker_${id}`)]) {
      await project.database.query(`
        create schema if not exists ${schema};
        create table ${schema}.t (id int primary key, note text);
        create table ${schema}.u (id int unique deferrable initially deferred);`);
    }
    return project;
  }

  /** Runs mocha on the project's files; `hooks` are the options that its `resetHooks` gets. */
  async mocha(hooks: object, ...flags: string[]): Promise<Run> {
    const report = path.join(this.folder, 'report.json');
    await fs.rm(report, { force: true });
    const reporter = ['--reporter', 'json', '--reporter-option', `output=${report}`];
    const args = [require.resolve('mocha/bin/mocha.js'), '--no-config', ...reporter, ...flags];
    const { code, output } = await this.node(args, { HOOKS: JSON.stringify(hooks) });
    const text = await fs.readFile(report, 'utf8').catch(() => undefined);
    if (text === undefined) throw new Error(`mocha made no report:\n${output}`);
    const found = JSON.parse(text) as MochaReport;
    const suppressed = found.failures.map(({ fullTitle, err: { suppressed: [first] = [] } }) => [
      fullTitle,
      first?.code ?? first?.name,
    ]);
    return { tests: byTitle(found), suppressed: Object.fromEntries(suppressed) as Run['suppressed'], code, output };
  }

  /** Runs node in the project's folder. */
  node(args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | undefined; output: string }> {
    const { PATH, HOME } = process.env;
    const options = {
      cwd: this.folder,
      env: { PATH, HOME, APP_DATABASE_URL: this.database.url, ...env },
      timeout: 60_000,
    };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, args, options, (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? undefined, output: stdout + stderr });
      });
    });
  }

  /** Installs runners for the run, where it may: it takes the network. In a `before` hook. */
  async installRunners(context: Mocha.Context, versions: Record<string, string>): Promise<void> {
    if (whyNoRunners()) return;
    context.timeout(300_000);
    const packages = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
    const flags = ['--prefix', this.folder, '--no-audit', '--no-fund', '--no-save'];
    await promisify(execFile)('npm', ['install', ...flags, ...packages], { cwd: this.folder });
    // npm install clears what it did not install itself: the links of the project.
    await this.install();
  }

  async remove(): Promise<void> {
    await this.database.drop();
    await fs.rm(this.folder, { recursive: true });
  }

  /** `knex-reset` as npm would install it, beside the knex and pg of this checkout. */
  async install(): Promise<void> {
    const modules = path.join(this.folder, 'node_modules');
    const own = path.join(modules, 'knex-reset');
    await fs.mkdir(own, { recursive: true });
    await fs.copyFile(path.join(checkout, 'package.json'), path.join(own, 'package.json'));
    for (const [name, source] of [
      ['knex', process.env.KNEX_BUILD ?? 'knex'],
      ['pg', 'pg'],
    ] as const) {
      await fs.rm(path.join(modules, name), { force: true });
      await fs.symlink(path.join(checkout, 'node_modules', source), path.join(modules, name));
    }
    await buildCode(path.join(own, 'dist'));
  }
}

function byTitle({ passes, pending, failures }: MochaReport): Run['tests'] {
  const tests: Run['tests'] = {};
  for (const { fullTitle } of passes) tests[fullTitle] = 'passed';
  for (const { fullTitle } of pending) tests[fullTitle] = 'pending';
  // A test that fails again after it has passed counts as both.
  for (const { fullTitle, err } of failures) tests[fullTitle] = err.message;
  return tests;
}
