// That the README names what there is: errors, options with their defaults, outcomes, commands, files.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import * as api from '../../lib';
import { DEFAULTS } from '../../lib/options';
import { outcomeRows } from '../transaction/outcome-rows';
import { outcomeText } from './outcome-text';
import { blocksOf, readme, ROOT } from './readme-text';

const rows = readme.split('\n').filter((line) => line.startsWith('|'));
const read = (name: string) => fs.readFileSync(path.join(ROOT, name), 'utf8');
const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;

/** Public interfaces that have keys which a user writes or reads. */
const INTERFACES: [file: string, names: string[]][] = [
  [
    'lib/types.ts',
    [
      'ResettableOptions',
      'Resettable',
      'ResetOptions',
      'ResetReport',
      'AtomicOptions',
      'RetryOptions',
      'AtomicTransaction',
      'TransactionHooks',
      'TransactionHookContext',
      'SandboxOptions',
      'LeakReport',
      'OpenTransaction',
      'ConnectionState',
    ],
  ],
  ['lib/mocha.ts', ['ResetHooksOptions', 'ResetHooks']],
  ['lib/migrations.ts', ['MigrationLockOptions']],
];

/** Those that have no table. */
const IN_PROSE = ['SandboxOptions'];

function keysOf(file: string, name: string): string[] {
  const body = new RegExp(`interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(read(file))?.[1];
  if (!body) throw new Error(`${file} has no interface ${name}`);
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??(?:[:(]|<\w+>\()/gm)].map(([, key]) => key as string);
}

describe('the README', () => {
  describe('names every error, with its code, in a row of its own:', () => {
    for (const [name, type] of Object.entries(api)) {
      if (!('code' in type)) continue;
      it(name, () => {
        expect(rows.filter((row) => row.startsWith(`| \`${name}\` | \`${String(type.code)}\` |`))).to.have.lengthOf(1);
      });
    }
  });

  describe('names every key of', () => {
    for (const [file, names] of INTERFACES) {
      for (const name of names) {
        it(name, () => {
          const keys = keysOf(file, name);
          expect(keys).to.not.be.empty;
          const missing = keys.filter((key) => !new RegExp(`\`[^\`\n]*\\b${key}\\b[^\`\n]*\``).test(readme));
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
        expect(readme).to.include(`\n${outcomeText(row)}\n`);
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

  it('names no script that package.json has not', () => {
    const named = [...readme.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name as string);
    expect(named).to.not.be.empty;
    expect(scripts).to.include.keys(...named);
  });

  it('links to no file and no heading that is not there', () => {
    const headings = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
      text
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, target = ''] of readme.matchAll(/\]\(([^)]+)\)/g)) {
      if (target.startsWith('#')) expect(headings).to.include(target.slice(1));
      else if (!/^https?:/.test(target)) expect(fs.existsSync(path.join(ROOT, target)), target).to.equal(true);
    }
  });
});
