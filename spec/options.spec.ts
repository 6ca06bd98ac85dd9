// How values are described, and options checked, without showing what may be secret.
import { expect } from 'chai';
import {
  callable,
  checkOptions,
  describe as said,
  flag,
  ignoreRunnerArgument,
  isPlainObject,
  millis,
  oneOf,
  positiveMillis,
  text,
} from '../lib/words/options';

describe('describe()', () => {
  const values: [value: unknown, words: string][] = [
    [null, 'null'],
    [undefined, 'undefined'],
    [5, 'number 5'],
    [NaN, 'number NaN'],
    [7n, 'bigint 7'],
    [true, 'boolean true'],
    ['close', "'close'"],
    ['postgres://me:secret@db/x', 'a string'],
    ['a text that is much longer than an option', 'a string'],
    [Symbol('secret'), 'a symbol'],
    [function named() {}, 'function named'],
    [(() => () => {})(), 'a function'],
    [[1, 2], 'an array'],
    [{}, 'an object with the keys (none)'],
    [{ client: 'pg', password: 'secret' }, 'an object with the keys client, password'],
    [new Map(), 'an instance of Map'],
  ];
  for (const [value, words] of values) {
    it(`says ${words}`, () => expect(said(value)).to.equal(words));
  }
});

describe('the checks', () => {
  const checks: Record<string, [check: { accepts(value: unknown): boolean }, good: unknown[], bad: unknown[]]> = {
    millis: [millis, [0, 1.5, 2 ** 31 - 1], [-1, NaN, Infinity, 2 ** 31, '1', null, undefined, 1n]],
    positiveMillis: [positiveMillis, [1, 0.5], [0, -1, NaN, '1']],
    text: [text, ['', 'x'], [1, null, new String('x')]],
    flag: [flag, [true, false], [0, 1, 'true', null]],
    callable: [callable, [() => {}, class {}], [{}, 'x', null]],
    oneOf: [oneOf('a', 'b'), ['a', 'b'], ['c', '', null, ['a']]],
  };
  for (const [name, [check, good, bad]] of Object.entries(checks)) {
    it(`${name} accepts what is right, and nothing else`, () => {
      for (const value of good) expect(check.accepts(value), said(value)).to.be.true;
      for (const value of bad) expect(check.accepts(value), said(value)).to.be.false;
    });
  }
});

describe('checkOptions()', () => {
  const check = (given: unknown) =>
    checkOptions<{ wait?: number; reason?: string }>('it', given, { wait: millis, reason: text });

  it('gives back a copy without undefined values', () => {
    const given = { wait: 1, reason: undefined };
    expect(check(given)).to.deep.equal({ wait: 1 }).and.not.equal(given);
    expect(check(undefined)).to.deep.equal({});
  });

  it('refuses unknown keys, those of every object included, and names the known ones', () => {
    for (const key of ['wiat', 'toString', 'constructor', '__proto__']) {
      const given = Object.defineProperty({}, key, { value: undefined, enumerable: true });
      expect(() => check(given)).to.throw(TypeError, `it: unknown option '${key}'; known are wait, reason`);
    }
  });

  it('refuses ill-typed values, and says which', () => {
    expect(() => check({ wait: 'long' })).to.throw(
      TypeError,
      "it: wait: expected a number of milliseconds, 0 or more, but was given 'long'",
    );
    expect(() => check([])).to.throw(TypeError, 'it: expected an options object, but was given an array');
  });
});

describe('isPlainObject()', () => {
  it('takes literals, objects without a prototype, and those of another realm', () => {
    const foreign: unknown = require('node:vm').runInNewContext('({})');
    for (const value of [{}, Object.create(null), foreign]) expect(isPlainObject(value)).to.be.true;
    for (const value of [null, [], new Map(), () => {}, 'x', new (class Context {})()]) {
      expect(isPlainObject(value)).to.be.false;
    }
  });
});

describe('ignoreRunnerArgument()', () => {
  it('drops functions and instances of classes, and nothing else', () => {
    class Context {}
    for (const given of [() => {}, new Context(), new Map()]) expect(ignoreRunnerArgument(given)).to.be.undefined;
    for (const given of [null, undefined, 5, 'x', [], {}]) expect(ignoreRunnerArgument(given)).to.equal(given);
  });
});
