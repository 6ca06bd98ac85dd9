// Defaults, and the checks of everything that users pass in.

export const DEFAULTS = {
  graceMillis: 0,
  timeoutMillis: 5000,
  onFatal: 'evict',
  checkTimeoutMillis: 1000,
  retryMinDelayMillis: 10,
  retryMaxDelayMillis: 1000,
  waitMillis: 60_000,
} as const;

interface Check {
  expected: string;
  accepts(value: unknown): boolean;
}

export const millis: Check = {
  expected: 'a number of milliseconds, 0 or more',
  accepts: (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= 2 ** 31 - 1,
};
export const positiveMillis: Check = {
  expected: 'a number of milliseconds above 0',
  accepts: (value) => millis.accepts(value) && value !== 0,
};
export const text: Check = { expected: 'a string', accepts: (value) => typeof value === 'string' };
export const flag: Check = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
export const callable: Check = { expected: 'a function', accepts: (value) => typeof value === 'function' };
export const oneOf = (...values: string[]): Check => ({
  expected: values.map((value) => `'${value}'`).join(' or '),
  accepts: (value) => values.includes(value as string),
});

/** Says what a value is without showing what may be secret in it. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return `${typeof value} ${value}`;
  if (typeof value === 'string') return value.length <= 20 && /^[\w -]*$/.test(value) ? `'${value}'` : 'a string';
  if (typeof value === 'function') return value.name ? `function ${value.name}` : 'a function';
  if (Array.isArray(value)) return 'an array';
  if (isPlainObject(value)) return `an object with the keys ${Object.keys(value).join(', ') || '(none)'}`;
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'a class'}`;
  return `a ${typeof value}`;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** @throws TypeError that names what was given and what is expected. */
export function refuse(where: string, given: unknown, expected: string): never {
  throw new TypeError(`${where}: expected ${expected}, but was given ${describe(given)}`);
}

/**
 * Checks an options object key by key; `undefined` values count as absent.
 * @throws TypeError for anything but a plain object, for unknown keys and for ill-typed values.
 */
export function checkOptions<T extends object>(where: string, given: unknown, checks: { [K in keyof T]-?: Check }): T {
  if (given === undefined) return {} as T;
  if (!isPlainObject(given)) refuse(where, given, 'an options object');
  for (const [key, value] of Object.entries(given)) {
    const check = (checks as Record<string, Check | undefined>)[key];
    if (!check || !Object.hasOwn(checks, key)) {
      throw new TypeError(`${where}: unknown option '${key}'; known are ${Object.keys(checks).join(', ')}`);
    }
    if (value !== undefined && !check.accepts(value)) refuse(`${where}: ${key}`, value, check.expected);
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

/** An options argument that a test runner may have filled with its own context or callback, which do not count. */
export function ignoreRunnerArgument(given: unknown): unknown {
  const isContext = typeof given === 'object' && given !== null && !Array.isArray(given) && !isPlainObject(given);
  return typeof given === 'function' || isContext ? undefined : given;
}
