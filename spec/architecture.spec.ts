// Holds the layout of lib/: imports point down, features do not know each other, foreign insides stay in their rooms.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { type SourceFile, violations } from './support/import-rules';

const lib = path.resolve(__dirname, '..', 'lib');

function sources(): SourceFile[] {
  return fs
    .readdirSync(lib, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ path: name.replaceAll(path.sep, '/'), text: fs.readFileSync(path.join(lib, name), 'utf8') }));
}

describe('the architecture', () => {
  it('has its entry points', () => {
    expect(sources().map((file) => file.path)).to.include.members(['index.ts', 'mocha.ts', 'migrations.ts']);
  });

  // V8 puts such functions among what is long-lived, and all that they refer to stays until a full collection: a connection, a transaction.
  it('writes no function down where it is assigned to a property: it has a name of its own first', () => {
    const assigned = /^\s*[\w.]+(\.#?\w+|\[\w+\]) \??\??= (async )?(function\b|\([^)]*\)(: [^=]+)? =>|\w+ =>)/;
    const found = sources().flatMap((file) =>
      file.text
        .split('\n')
        .flatMap((line, i) => (assigned.test(line) ? [`lib/${file.path}:${i + 1}: ${line.trim()}`] : [])),
    );
    expect(found, `\n${found.join('\n')}\n`).to.be.empty;
    for (const line of [
      'a.b = () => c;',
      '  this.#a = async (b) => c;',
      'a[b] = function () {',
      'a.b ??= (c: D): E => f',
    ])
      expect(assigned.test(line), line).to.be.true;
  });

  it('has every line in its room', () => {
    const found = violations(sources());
    expect(found, `\n${found.join('\n')}\n`).to.be.empty;
  });
});
