// How values are described, and options checked, without showing what may be secret.
import { expect } from 'chai';
import { describe as said, isPlainObject, shown } from '../lib/words/describe';
import {
  callable,
  checkOptions,
  flag,
  ignoreRunnerArgument,
  millis,
  oneOf,
  positiveMillis,
  text,
} from '../lib/words/options';

/** A proxy that throws whatever is asked of it. */
function hostile(): object {
  const fail = () => {
    throw new Error('hostile');
  };
  return new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail });
}

describe('shown()', () => {
  it('puts a text on one line, without control characters', () => {
    expect(shown('a\r\n  forged\u001b[31m\u202eb')).to.equal('a   forged [31m b');
  });

  it('cuts a long text', () => {
    expect(shown('x'.repeat(300_000))).to.equal(`${'x'.repeat(200)}…`);
  });
});

describe('describe()', () => {
  const values: [value: unknown, words: string][] = [
    [null, 'null'],
    [undefined, 'undefined'],
    [5, 'number 5'],
    [NaN, 'number NaN'],
    [7n, 'a bigint'],
    [true, 'boolean true'],
    ['hunter2', 'a string'],
    ['', 'an empty string'],
    [Symbol('secret'), 'a symbol'],
    [function named() {}, 'function named'],
    [(() => () => {})(), 'a function'],
    [[1, 2], 'an array'],
    [{}, 'an object with the keys (none)'],
    [{ client: 'pg', password: 'secret' }, 'an object with the keys client, password'],
    [new Map(), 'an instance of Map'],
    [hostile(), 'an object that cannot be read'],
    [Proxy.revocable([], {}).proxy, 'an array'],
    [{ [`a\nb${'c'.repeat(99)}`]: 1 }, `an object with the keys a b${'c'.repeat(37)}…`],
    [Object.defineProperty(() => {}, 'name', { value: 'a\u001b[31m\nforged' }), 'function a [31m forged'],
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
    callable: [
      callable,
      [() => {}, async () => {}, Boolean, function () {}],
      [{}, 'x', null, function* () {}, class {}],
    ],
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
      'it: wait: expected a number of milliseconds, 0 or more, at most 2147483647, but was given a string',
    );
    expect(() => check([])).to.throw(TypeError, 'it: expected an options object, but was given an array');
  });
});

describe('options of hostile making', () => {
  const check = (given: unknown) => checkOptions<{ wait?: number }>('it', given, { wait: millis });

  it('are read once', () => {
    let reads = 0;
    const given = {
      get wait() {
        return ++reads === 1 ? 5 : 'changed';
      },
    };
    expect(check(given)).to.deep.equal({ wait: 5 });
    expect(reads).to.equal(1);
  });

  it('are refused by name, and not with what they throw', () => {
    const given = {
      get wait(): number {
        throw new Error('hostile');
      },
    };
    expect(() => check(given)).to.throw(
      TypeError,
      'it: wait: expected a number of milliseconds, 0 or more, at most 2147483647, but its getter threw',
    );
    for (const value of [
      hostile(),
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('hostile');
          },
        },
      ),
    ])
      expect(() => check(value)).to.throw(
        TypeError,
        'it: expected an options object, but was given an object that cannot be read',
      );
    expect(() => check({ wait: hostile() })).to.throw(TypeError, 'it: wait: expected a number');
  });

  it('are not taken for what a runner passes to its hooks', () => {
    const given = hostile();
    expect(ignoreRunnerArgument(given)).to.equal(given);
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
