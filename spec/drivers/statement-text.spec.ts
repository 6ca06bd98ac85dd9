// The text of statements is read on the way of each query: however long or odd it is, that takes no longer than its length.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import * as text from '../../lib/drivers/statement-text';

const ROOT = path.resolve(__dirname, '..', '..');

describe('the text of a statement', () => {
  it('is read in a time that grows with its length alone', async function () {
    // A process that can be ended: an expression that tries too many ways cannot.
    this.timeout(40_000);
    const program = `
      const text = require('./lib/drivers/statement-text');
      const texts = [
        '/* a comment */ '.repeat(60) + '(select 1)',
        '/*! */ '.repeat(60) + '(select 1)',
        'update t set a = 1;'.repeat(20_000),
        'insert into t values (' + 'a'.repeat(500_000) + ', 1)',
        '"'.repeat(99_999) + "'".repeat(99_999),
        'begin '.repeat(50_000),
        'rollback transaction '.repeat(50_000),
        ' '.repeat(500_000) + ';',
        '/* '.repeat(300_000),
        'set statement '.repeat(50_000),
        'set statement for '.repeat(50_000),
      ];
      const readers = Object.entries(text).filter(([, value]) => typeof value === 'function');
      for (const each of texts) for (const [, read] of readers) read(each);
      console.log(readers.length, 'readers');
    `;
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', '--eval', program], {
      cwd: ROOT,
      timeout: 30_000,
    });
    expect((await run).stdout).to.match(/^\d+ readers/);
  });

  const firstWords: [sql: string, word: string][] = [
    ['select 1', 'SELECT'],
    [' ;\n-- a comment\n# another\n/* a\nthird */ commit', 'COMMIT'],
    ['/*!40101 SET names utf8 */', 'SET'],
    ['/*M!100100 */ rollback', 'ROLLBACK'],
    ["set statement lock_wait_timeout = 1, sql_mode = '' for\nlock tables t read", 'LOCK'],
    ['set statement_timeout = 1', 'SET'],
    ['/* only a comment', ''],
    ['(select 1)', ''],
    ['', ''],
  ];
  for (const [sql, word] of firstWords) {
    it(`begins with ${word || 'no word'} in ${JSON.stringify(sql)}`, () => {
      expect(text.firstWord(sql)).to.equal(word);
    });
  }

  it('is that of comments like any other where the server is not MySQL', () => {
    const read = (sql: string) => text.firstWord(text.withPlainComments(sql));
    expect(['/*! rollback */ begin', '/*M!100 x */ commit', '/* x */ end'].map(read)).to.deep.equal([
      'BEGIN',
      'COMMIT',
      'END',
    ]);
    expect(text.isCommit(text.withPlainComments('/*! rollback; */ commit'))).to.equal(true);
    expect(text.isCommit('/*! rollback; */ commit')).to.equal(false);
  });

  it('turns autocommit on or off where it names it behind a SET', () => {
    expect(text.namesAutocommit('set @@autocommit = 0')).to.equal(true);
    expect(text.namesAutocommit('select 1; SET\nautocommit=1')).to.equal(true);
    expect(text.namesAutocommit('select @@autocommit; set a = 1')).to.equal(false);
  });
});
