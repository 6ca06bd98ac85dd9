// That an editor shows something useful for each public name: a sentence, units and defaults, an example, codes, and a page that is there.
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import * as errors from '../../lib/words/errors';
import { type PublicName, publicNames } from './public-names';
import { headingsOf, ROOT } from './readme-text';

const names = publicNames();
const codes = Object.fromEntries(
  Object.entries(errors).flatMap(([name, type]) => ('code' in type ? [[name, String(type.code)]] : [])),
);

describe('the comments of the public names', () => {
  it('are found', () => {
    expect(names.length).to.be.greaterThan(120);
  });

  it('are there, one for each', () => {
    expect(without((doc) => doc !== undefined)).to.be.empty;
  });

  it('tell the unit of each time', () => {
    expect(without((doc, { name }) => !name.endsWith('Millis') || /milliseconds/.test(doc ?? ''))).to.be.empty;
  });

  it('tell the default of each option', () => {
    const isOption = ({ name, file }: PublicName) => /Options\./.test(name) && !mustBeGiven(name, file);
    expect(without((doc, each) => !isOption(each) || /@default \S/.test(doc ?? ''))).to.be.empty;
  });

  it('have an example for each function and method', () => {
    const isCalled = ({ kind }: PublicName) => kind === 'function' || kind === 'method';
    expect(without((doc, each) => !isCalled(each) || /@example\n/.test(doc ?? ''))).to.be.empty;
  });

  it('lead to a page, and to a heading that is there', () => {
    const isLarge = ({ kind, name }: PublicName) =>
      ['function', 'class', 'interface'].includes(kind) && name !== 'Awaitable';
    expect(without((doc, each) => !isLarge(each) || /@see docs\//.test(doc ?? ''))).to.be.empty;
    for (const { name, doc } of names) {
      for (const [, page = '', heading] of (doc ?? '').matchAll(/@see (docs\/[\w/-]+\.md)(?:#([\w-]+))?/g)) {
        const text = fs.readFileSync(path.join(ROOT, page), 'utf8');
        if (heading) expect(headingsOf(text), `${name} leads to ${page}#${heading}`).to.include(heading);
      }
    }
  });

  it('name the code of each error that is thrown', () => {
    for (const { name, doc } of names) {
      for (const [, type = '', told] of (doc ?? '').matchAll(/@throws (\w+Error) (?:\(`(\w+)`\))?/g)) {
        if (codes[type]) expect(told, `${name} throws ${type}`).to.equal(codes[type]);
      }
    }
  });
});

function without(isFine: (doc: string | undefined, name: PublicName) => boolean): string[] {
  return names.filter((each) => !isFine(each.doc, each)).map(({ name, file }) => `${name} (${file})`);
}

/** Whether an option has no question mark. */
function mustBeGiven(name: string, file: string): boolean {
  const member = name.split('.')[1];
  return new RegExp(`^ {2}${member}[:(]`, 'm').test(fs.readFileSync(path.join(ROOT, file), 'utf8'));
}
