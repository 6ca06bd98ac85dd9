// Defaults, and the checks of everything that users pass in.
import { describe, isArray, isPlain, isPlainObject, shown } from './describe';
import { kindOfFunction, valueOr } from './foreign';
import type { ResettableOptions } from './option-types';

export const DEFAULTS = {
  graceMillis: 0,
  timeoutMillis: 5000,
  onFatal: 'evict',
  checkTimeoutMillis: 1000,
  retryMinDelayMillis: 10,
  retryMaxDelayMillis: 1000,
  waitMillis: 60_000,
} as const;

/** The options of an instance, with their defaults. */
export type Settings = ResettableOptions &
  Required<Pick<ResettableOptions, 'graceMillis' | 'timeoutMillis' | 'onFatal' | 'checkTimeoutMillis'>>;

interface Check {
  expected: string;
  accepts(value: unknown): boolean;
  /** One of a few texts of words is expected: a mistyped one is shown, since it is no secret. So is a number given as text. */
  isWord?: boolean;
}

/** What a timer of Node takes: a longer one would be over at once. */
const MOST_MILLIS = 2 ** 31 - 1;

export const millis: Check = {
  expected: `a number of milliseconds, 0 or more, at most ${MOST_MILLIS}`,
  accepts: (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= MOST_MILLIS,
};
export const positiveMillis: Check = {
  expected: `a number of milliseconds above 0, at most ${MOST_MILLIS}`,
  accepts: (value) => millis.accepts(value) && value !== 0,
};
export const count: Check = {
  expected: 'a whole number, 0 or more',
  accepts: (value) => Number.isInteger(value) && (value as number) >= 0,
};
export const text: Check = { expected: 'a string', accepts: (value) => typeof value === 'string' };
export const names: Check = {
  expected: 'an array of names',
  accepts: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== ''),
};
export const flag: Check = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
/** A function that runs when it is called: a generator function would only make an iterator, and a class would throw. */
export const callable: Check = {
  expected: 'a function',
  accepts: (value) => typeof value === 'function' && kindOfFunction(value) === 'function',
};
export const oneOf = (...values: string[]): Check => ({
  expected: values.map((value) => `'${value}'`).join(' or '),
  accepts: (value) => values.includes(value as string),
  isWord: true,
});

/** @throws TypeError that names what was given and what is expected. */
export function refuse(where: string, given: unknown, expected: string): never {
  throw new TypeError(`${where}: expected ${expected}, but was given ${describe(given)}`);
}

/** @throws TypeError for anything but a function that runs when it is called */
export function checkCallable(where: string, given: unknown, expected: string): void {
  if (!callable.accepts(given)) refuse(where, given, expected);
}

/**
 * Checks an options object key by key, and returns a copy: each value is read once. `undefined` values count as absent.
 * @throws TypeError for anything but a plain object, for unknown keys, and for values that are ill-typed or cannot be read
 */
export function checkOptions<T extends object>(where: string, given: unknown, checks: { [K in keyof T]-?: Check }): T {
  if (given === undefined) return {} as T;
  if (!isPlainObject(given)) refuse(where, given, 'an options object');
  const options: Record<string, unknown> = {};
  for (const key of keysOf(where, given)) {
    const check = (checks as Record<string, Check | undefined>)[key];
    if (!check || !Object.hasOwn(checks, key)) {
      throw new TypeError(`${where}: unknown option '${shown(key, 40)}'; known are ${Object.keys(checks).join(', ')}`);
    }
    const value = valueOf(`${where}: ${key}`, given, key, check);
    if (value !== undefined) options[key] = value;
  }
  return options as T;
}

function keysOf(where: string, given: object): string[] {
  try {
    return Object.keys(given);
  } catch (cause) {
    throw new TypeError(`${where}: expected an options object, but was given an object that cannot be read`, { cause });
  }
}

function valueOf(where: string, given: Record<string, unknown>, key: string, check: Check): unknown {
  let value: unknown;
  try {
    value = given[key];
  } catch (cause) {
    throw new TypeError(`${where}: expected ${check.expected}, but its getter threw`, { cause });
  }
  if (value !== undefined && !valueOr(false, () => check.accepts(value))) refuseValue(where, value, check);
  return value;
}

/** The same for the value of an option, as its check has it. */
export function refuseValue(where: string, value: unknown, { expected, isWord }: Omit<Check, 'accepts'>): never {
  const isMistyped = typeof value === 'string' && (isWord ? /^[a-z -]{1,20}$/i : /^[\d.]{1,10}$/).test(value);
  if (isMistyped) throw new TypeError(`${where}: expected ${expected}, but was given '${value}'`);
  refuse(where, value, expected);
}

/** What a runner's context has, where that is a plain object as options are: of Cucumber, of uvu, of lab. No option has such a name. */
const MARKS_OF_RUNNERS = ['pickle', '__suite__', 'note'];

/** An options argument that a test runner may have filled with its own context or callback, which do not count. */
export function ignoreRunnerArgument(given: unknown): unknown {
  if (typeof given === 'function') return undefined;
  if (typeof given !== 'object' || given === null || isArray(given)) return given;
  const plain = isPlain(given);
  const isContext =
    plain === false || (plain && MARKS_OF_RUNNERS.some((name) => valueOr(false, () => Object.hasOwn(given, name))));
  return isContext ? undefined : given;
}
