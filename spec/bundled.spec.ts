// An app that a bundler has put into one file, with this package in it.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { build } from 'esbuild';
import { buildCode } from '../script/build';
import { freshDatabase, type TestDatabase } from './support/database';

const ROOT = path.resolve(__dirname, '..');
const run = promisify(execFile);

const APP = `
  import knex from 'knex';
  import { callIt } from 'caller';
  import { resettable, TransactionFailedError } from './knex-reset/dist/index.js';
  import { emptyTables, workerDatabase } from './knex-reset/dist/testing.js';
  import { withMigrationLock } from './knex-reset/dist/migrations.js';

  const config = { client: 'pg', connection: process.env.DATABASE_URL, pool: { min: 0 } };

  async function open(db) {
    const trx = await callIt(() => db.transaction());
    await trx.raw('select 1');
  }
  async function main() {
    const db = resettable(knex(config));
    await db.schema.createTable('t', (table) => table.integer('id').primary());
    await db.atomic((trx) => trx('t').insert({ id: 1 }));
    const failed = db.transaction(async (trx) => {
      await trx('t').insert({ id: 1 }).catch(() => {});
    });
    await failed.catch((error) => console.log(error.name, error instanceof TransactionFailedError));
    await db.sandbox(() => db('t').insert({ id: 2 }));
    console.log(await emptyTables(db), await withMigrationLock(db, () => 'locked'));
    const worker = await workerDatabase(config, { key: 'bundled', prepare: () => {}, keepTemplates: 0 });
    await worker.drop();
    await open(db);
    const { abortedTransactions } = await db.resetConnection();
    console.log(abortedTransactions.map(({ stack }) => stack).join());
    await db.schema.dropTable('t');
    await db.destroy();
  }
  main().catch((error) => {
    console.log(error);
    process.exit();
  });
`;

describe('in a bundle', () => {
  let folder: string;
  let dist: string;
  let database: TestDatabase;

  before(async function () {
    const caches = path.join(ROOT, 'node_modules', '.cache');
    fs.mkdirSync(caches, { recursive: true });
    folder = fs.mkdtempSync(path.join(caches, 'knex-reset-bundled-'));
    dist = path.join(folder, 'knex-reset', 'dist');
    await buildCode(dist);
    // A package that is not in the bundle, and is between the app and this one.
    const caller = path.join(folder, 'node_modules', 'caller');
    fs.mkdirSync(caller, { recursive: true });
    fs.writeFileSync(path.join(caller, 'index.js'), 'exports.callIt = (work) => work();');
    database = await freshDatabase(undefined, { createsDatabases: true });
  });
  after(async () => {
    fs.rmSync(folder, { recursive: true });
    await database.drop();
  });

  /** What the app prints, as one file in a folder that is named like that of this package's code. */
  async function printedBy(name: string, format: 'cjs' | 'esm'): Promise<string[]> {
    const outfile = path.join(folder, 'dist', name);
    await build({
      stdin: { contents: APP, resolveDir: folder },
      bundle: true,
      external: ['knex', 'caller'],
      platform: 'node',
      format,
      // As users of esbuild do for CommonJS packages.
      ...(format === 'esm' && {
        banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      }),
      outfile,
      logLevel: 'silent',
    });
    const env = { ...process.env, DATABASE_URL: database.url };
    const { stdout } = await run(process.execPath, [outfile], { cwd: folder, env, timeout: 30_000 });
    return stdout.trim().split('\n');
  }

  const formats = [
    ['a CommonJS module', 'index.js', 'cjs'],
    ['an ES module', 'index.mjs', 'esm'],
  ] as const;
  for (const [title, name, format] of formats) {
    it(`works as ${title}, and names the app's own frames`, async () => {
      const [failed, tools, ...stack] = await printedBy(name, format);
      expect(failed).to.equal('TransactionFailedError true');
      expect(tools).to.equal("[ 't' ] locked");
      // The app's file is this package's too: no line of it may be left out.
      expect(
        stack.some((line) => /\bopen\b.*index\.m?js/.test(line)),
        stack.join('\n'),
      ).to.be.true;
    });
  }

  it('has no string that goes on in the next line: Rollup would indent that line, and so change the string', () => {
    for (const file of fs.readdirSync(dist).filter((name) => name.endsWith('.js'))) {
      const lines = fs.readFileSync(path.join(dist, file), 'utf8').split('\n');
      expect(
        lines.filter((line) => line.endsWith('\\')),
        file,
      ).to.be.empty;
    }
  });

  it('has source maps that lead to the function, also behind a string that was in several lines', () => {
    for (const file of fs.readdirSync(dist).filter((name) => name.endsWith('.js.map'))) {
      const payload = JSON.parse(fs.readFileSync(path.join(dist, file), 'utf8')) as SourceMapPayload;
      const map = new SourceMap(payload);
      const code = fs.readFileSync(path.join(dist, path.parse(file).name), 'utf8');
      const functions = code
        .split('\n')
        .flatMap((line, row) =>
          [...line.matchAll(/\bfunction ([a-z]+)\(/gi)].map(({ 1: name = '', index }) => ({ name, row, index })),
        );
      const found = functions.flatMap(({ name, row, index }) => {
        const entry = map.findEntry(row, index);
        if (!('originalSource' in entry)) return []; // of the bundler's own
        const text = payload.sourcesContent[payload.sources.indexOf(entry.originalSource)];
        return [{ name, line: text?.split('\n')[entry.originalLine] ?? '' }];
      });
      expect(found).to.have.length.of.at.least(5);
      expect(found.filter(({ name, line }) => !line.includes(name))).to.be.empty;
    }
  });
});
