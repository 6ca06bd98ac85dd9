// Holds the layout of lib/: imports point down, features do not know each other, foreign insides stay in their rooms.
import { expect } from 'chai';
import * as rules from './support/house-rules';
import { violations } from './support/import-rules';

const { sources } = rules;

describe('the architecture', () => {
  it('has its entry points', () => {
    expect(sources().map((file) => file.path)).to.include.members([
      'index.ts',
      'mocha.ts',
      'testing.ts',
      'migrations.ts',
    ]);
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

  // Under fake timers such a wait would never end. Limits that users ask for go by the clock that their test has.
  it('waits by the clock of words/waiting.ts, but for the limits that users ask for', () => {
    const byTheUsersClock = ['transaction/limit.ts', 'pool/age-watch.ts'];
    const inBackground = ['worker-database/keeper.ts'];
    const found = sources()
      .filter(({ path: name }) => !name.startsWith('words/') && ![...byTheUsersClock, ...inBackground].includes(name))
      .filter(({ text }) => /(?<![.\w])(setTimeout|setInterval|setImmediate)\(|process\.nextTick/.test(text))
      .map(({ path: name }) => name);
    expect(found).to.be.empty;
  });

  // Neither is there in an ES module, and in a user's bundle both are those of his file.
  it('asks for its place on disk in one file, which knows of bundles', () => {
    const found = sources()
      .filter(({ path: name, text }) => name !== 'words/call-site.ts' && /\b__(dirname|filename)\b/.test(text))
      .map(({ path: name }) => name);
    expect(found).to.be.empty;
  });

  it('knows the fast handles of transactions by one file, which can switch them off', () => {
    const found = sources()
      .filter(({ path: name }) => !name.startsWith('knex/fast-handle/'))
      .filter(({ text }) => /fast-handle\/(?!fast-handles')/.test(text))
      .map(({ path: name }) => name);
    expect(found).to.be.empty;
  });

  it('has every line in its room', () => {
    const found = violations(sources());
    expect(found, `\n${found.join('\n')}\n`).to.be.empty;
  });

  const files = rules.sources();
  for (const { title, limit, figures } of Object.values(rules.RULES)) {
    it(`has no more than ${limit} ${title}`, () => {
      const over = Object.entries(figures(files, limit)).map(([name, figure]) => `${name}: ${figure}`);
      expect(over, `\n${over.join('\n')}\n`).to.be.empty;
    });
  }
});
