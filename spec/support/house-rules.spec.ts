// The figures of the house are counted as meant: a rule that counts nothing would hold for everything.
import { expect } from 'chai';
import * as rules from './house-rules';

const file = (path: string, ...lines: string[]) => ({ path, text: `${lines.join('\n')}\n` });

describe('the figures of the house', () => {
  it('count the lines of a file', () => {
    expect(rules.longFiles([file('a.ts', 'a', 'b', 'c'), file('b.ts', 'a')], 2)).to.deep.equal({ 'a.ts': 3 });
  });

  it('count the lines of functions and methods, those with a head of several lines included', () => {
    const found = rules.longFunctions(
      [
        file('a.ts', 'export function f(', '  a: string,', '): void {', '  a;', '}'),
        file('b.ts', 'class A {', '  async b(): Promise<void> {', '    c;', '  }', '}'),
      ],
      2,
    );
    expect(found).to.deep.equal({ 'a.ts f': 5, 'b.ts b': 3 });
  });

  it('count the fields of a class that change', () => {
    const lines = ['class A {', '  readonly a = 1;', '  b = 2;', '  #c: string | undefined;', '  d(): void {}', '}'];
    expect(rules.mutableFields([file('a.ts', ...lines)], 1)).to.deep.equal({ 'a.ts A': 2 });
  });

  it('count importers and circles, types included', () => {
    const files = [file('x/a.ts', "import type { B } from './b';"), file('x/b.ts', "import { type A } from './a';")];
    expect(rules.circles(files)).to.deep.equal({ 'x/a.ts': 2 });
    expect(rules.importers(files, 0)).to.deep.equal({ 'x/a.ts': 1, 'x/b.ts': 1 });
  });

  it('count lines with SQL, with names of knex, and with writes of a state', () => {
    const a = file('pool/a.ts', "send('ROLLBACK');", 'x.trxClient;', 'a.phase = 1;', '// send("ROLLBACK")');
    expect(rules.sqlOutsideOfDrivers([a])).to.deep.equal({ 'pool/a.ts': 1 });
    expect(rules.knexNamesOutside([a])).to.deep.equal({ 'pool/a.ts': 1 });
    const b = file('transaction/b.ts', 'a.phase = 1;');
    expect(rules.stateWriters([a, b])).to.deep.equal({ 'transaction/b.ts': 1 });
  });

  it('count error codes outside of their table', () => {
    const lines = ["a.code === '57P01';", "'ECONNRESET';", 'ER_LOCK_DEADLOCK;', "'BEGIN';", "'ERR_RESET';"];
    expect(rules.strayErrorCodes([file('a.ts', ...lines), file('drivers/error-codes.ts', ...lines)])).to.deep.equal({
      'a.ts': 3,
    });
  });
});
