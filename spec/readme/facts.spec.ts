// That the README, with docs/, names what there is: errors, options with their defaults, outcomes, commands, files.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import * as api from '../../lib';
import { DEFAULTS } from '../../lib/words/options';
import { outcomeRows } from '../transaction/outcome-rows';
import { outcomeText } from './outcome-text';
import { blocksOf, documents, fileOf, headingsOf, ROOT } from './readme-text';

const [readme] = documents as [(typeof documents)[number]];
const written = documents.map(({ text }) => text).join('\n');
const rows = written.split('\n').filter((line) => line.startsWith('|'));
const read = (name: string) => fs.readFileSync(path.join(ROOT, name), 'utf8');
const { scripts, files } = JSON.parse(read('package.json')) as { scripts: Record<string, string>; files: string[] };

/** Public interfaces that have keys which a user writes or reads. */
const INTERFACES: [file: string, names: string[]][] = [
  ['lib/words/option-types.ts', ['ResettableOptions', 'ResetOptions', 'SandboxOptions']],
  [
    'lib/words/report-types.ts',
    ['ResetReport', 'LeakReport', 'OpenTransaction', 'TransactionEvent', 'ConnectionState'],
  ],
  ['lib/words/types.ts', ['Resettable']],
  ['lib/words/block-types.ts', ['AtomicOptions', 'RetryOptions', 'AtomicTransaction']],
  ['lib/words/hook-types.ts', ['TransactionHooks', 'TransactionHookContext']],
  ['lib/mocha.ts', ['ResetHooksOptions', 'ResetHooks']],
  ['lib/migrations.ts', ['MigrationLockOptions']],
  ['lib/empty-tables/empty-tables.ts', ['EmptyTablesOptions']],
  ['lib/worker-database/worker-database.ts', ['WorkerDatabaseOptions']],
  ['lib/worker-database/made.ts', ['WorkerDatabase']],
];

/** Those that have no table. */
const IN_PROSE: string[] = [];

function keysOf(file: string, name: string): string[] {
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(read(file))?.[1];
  if (!body) throw new Error(`${file} has no interface ${name}`);
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??(?:[:(]|<\w+>\()/gm)].map(([, key]) => key as string);
}

describe('the README', () => {
  describe('has for every error a row, with a link to its code, and a section of its own:', () => {
    const headings = headingsOf(read('docs/errors.md'));
    for (const [name, type] of Object.entries(api)) {
      if (!('code' in type)) continue;
      const code = String(type.code);
      it(`${name}, ${code}`, () => {
        const start = `| [\`${code}\`](#${code.toLowerCase()}) | \`${name}\` |`;
        expect(rows.filter((row) => row.startsWith(start))).to.have.lengthOf(1);
        expect(headings).to.include(code.toLowerCase());
      });
    }
  });

  describe('names every key of', () => {
    for (const [file, names] of INTERFACES) {
      for (const name of names) {
        it(name, () => {
          const keys = keysOf(file, name);
          expect(keys).to.not.be.empty;
          const missing = keys.filter((key) => !new RegExp(`\`[^\`\n]*\\b${key}\\b[^\`\n]*\``).test(written));
          expect(missing).to.deep.equal([]);
        });
      }
    }
  });

  describe('has a row for every key of', () => {
    for (const [file, names] of INTERFACES) {
      for (const name of names.filter((each) => each.endsWith('Options') && !IN_PROSE.includes(each))) {
        it(name, () => {
          const firstCells = rows.map((row) => row.split('|')[1] ?? '');
          expect(keysOf(file, name).filter((key) => !firstCells.some((cell) => cell.includes(`\`${key}\``)))).to.be
            .empty;
        });
      }
    }
  });

  it('tells the defaults as they are', () => {
    const told: Record<keyof typeof DEFAULTS, string> = {
      graceMillis: 'graceMillis',
      timeoutMillis: 'timeoutMillis',
      onFatal: 'onFatal',
      checkTimeoutMillis: 'checkTimeoutMillis',
      retryMinDelayMillis: 'minDelayMillis',
      retryMaxDelayMillis: 'maxDelayMillis',
      waitMillis: 'waitMillis',
    };
    for (const [key, name] of Object.entries(told)) {
      const value = DEFAULTS[key as keyof typeof DEFAULTS];
      const cells = `| \`${name}\` | \`${typeof value === 'string' ? `'${value}'` : value}\` |`;
      expect(
        rows.some((row) => row.startsWith(cells)),
        cells,
      ).to.equal(true);
    }
  });

  describe('has the row of the outcome table of a block that', () => {
    for (const row of outcomeRows(undefined as never)) {
      it(`${row.ended}, when the server said ${row.said}`, () => {
        expect(written).to.include(`\n${outcomeText(row)}\n`);
      });
    }
  });

  it('gives the two commands for a fresh clone, which CI runs too', () => {
    const commands = blocksOf(readme)
      .filter(({ language }) => language === 'sh')
      .map(({ code }) => code);
    const clone = commands.find((code) => code.includes('npm run demo')) ?? '';
    expect(clone.split('\n').map((line) => line.replace(/\s*#.*/, ''))).to.include.members([
      'npm install && npm run demo',
      'npm test',
    ]);
    expect(scripts).to.include.keys('demo', 'test');
    expect(read('.ci/run'))
      .to.include('npm run demo')
      .and.to.match(/npm test\b/);
  });

  it('fits on a first page: at most 9 KB', () => {
    expect(Buffer.byteLength(readme.text)).to.be.at.most(9 * 1024);
  });

  it('leads to every page of docs/', () => {
    const linked = [...readme.text.matchAll(/\]\((docs\/\w+\.md)[#)]/g)].map(([, name]) => name as string);
    expect(linked).to.include.members(documents.slice(1).map(({ file }) => file));
  });

  it('names every script that a contributor runs', () => {
    const own = Object.keys(scripts).filter((name) => !['clean', 'build', 'prepack'].includes(name));
    expect(own.filter((name) => !new RegExp(`npm (run )?${name}\\b`).test(read('docs/contributing.md')))).to.be.empty;
  });

  it('names no file that is not there', () => {
    const named = [...written.matchAll(/`((?:lib|spec|script|bench|examples|demo)\/[\w./-]*)`/g)].map(
      ([, name]) => name as string,
    );
    expect(named.length).to.be.greaterThan(40);
    expect(named.filter((name) => !fs.existsSync(path.join(ROOT, name)))).to.be.empty;
  });

  it('has every room of lib/ in the table of rooms', () => {
    const rooms = fs.readdirSync(path.join(ROOT, 'lib'), { withFileTypes: true }).filter((item) => item.isDirectory());
    const firstCells = rows.map((row) => row.split('|')[1] ?? '');
    expect(rooms.filter(({ name }) => !firstCells.some((cell) => cell.includes(`\`lib/${name}/\``)))).to.be.empty;
  });

  it('shows files of the repository as they are', () => {
    for (const block of documents.flatMap((document) => blocksOf(document))) {
      const file = fileOf(block);
      if (file) expect(read(file), `${block.file}:${block.line}`).to.include(block.code);
      if (block.language === 'js') expect(file, `${block.file}:${block.line}`).to.not.equal(undefined);
    }
  });

  it('names no script that package.json has not', () => {
    const named = [...written.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name as string);
    expect(named).to.not.be.empty;
    expect(scripts).to.include.keys(...named);
  });

  it('is led to by the files that are only in the repository', () => {
    for (const file of ['CONTRIBUTING.md', 'SECURITY.md']) {
      for (const [, target = ''] of read(file).matchAll(/\]\(([^)]+)\)/g)) {
        const [name = '', heading] = target.split('#');
        expect(fs.existsSync(path.join(ROOT, name)), target).to.equal(true);
        if (heading !== undefined) expect(headingsOf(read(name)), target).to.include(heading);
      }
    }
  });

  for (const { file, text } of documents) {
    it(`has no heading twice in ${file}, so that each has an anchor of its own`, () => {
      const headings = headingsOf(text);
      expect(headings.filter((heading, index) => headings.indexOf(heading) !== index)).to.be.empty;
    });

    it(`links in ${file} to no file and no heading that is not there, or not in the package`, () => {
      for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [name = '', heading] = target.split('#');
        const linked = name ? path.posix.join(path.posix.dirname(file), name) : file;
        expect(fs.existsSync(path.join(ROOT, linked)), target).to.equal(true);
        expect(files, target).to.include(linked.split('/')[0]);
        if (heading !== undefined) expect(headingsOf(read(linked)), target).to.include(heading);
      }
    });
  }
});
