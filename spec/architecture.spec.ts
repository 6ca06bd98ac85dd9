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

  it('has every line in its room', () => {
    const found = violations(sources());
    expect(found, `\n${found.join('\n')}\n`).to.be.empty;
  });
});
