// How values and texts of users appear in messages: short, on one line, and never a possible secret.
import { kindOfFunction, read, valueOr } from './foreign';

/** Longer texts are cut in messages; fields of errors and reports keep them whole. */
const LONGEST = 200;
const LONGEST_KEYS = 10;
const LONGEST_NAMES = 5;
/** An identifier of PostgreSQL has 63 bytes at most, one of MySQL 64 characters; here with its schema. */
const LONGEST_NAME = 130;

/** Line breaks, terminal controls, and marks that change the direction of text. */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;

/** A label, a name or SQL on one line of a message: no control characters, and not longer than a line or two. */
export function shown(text: string, longest = LONGEST): string {
  // Cut before it is cleaned: a text may have megabytes.
  const line = text.slice(0, longest + 1).replace(CONTROLS, ' ');
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}

/** Names of users' things, in quotes and on one line: the first ones of many. */
export function quoted(...names: string[]): string {
  const list = names.slice(0, LONGEST_NAMES).map((name) => `"${shown(name, LONGEST_NAME)}"`);
  const more = names.length - list.length;
  return list.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Whether a value is an options object. `undefined` if that cannot be known, because its proxy throws. */
export function isPlain(value: unknown): boolean | undefined {
  if (typeof value !== 'object' || value === null) return false;
  return valueOr<boolean | undefined>(undefined, () => {
    const prototype = Object.getPrototypeOf(value) as object | null;
    return prototype === null || Object.getPrototypeOf(prototype) === null;
  });
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return isPlain(value) === true;
}

/** Also of a proxy that was revoked, which is no array then. */
export function isArray(value: unknown): value is unknown[] {
  return valueOr(false, () => Array.isArray(value));
}

/** Says what a value is. Never shows the content of a string: it may be a password. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean') return `${typeof value} ${value}`;
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string';
  if (typeof value === 'function') {
    const kind = kindOfFunction(value);
    return named(kind, nameOf(value)) ?? `a ${kind}`;
  }
  if (typeof value !== 'object') return `a ${typeof value}`;
  return valueOr('an object that cannot be read', () => describeObject(value));
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return 'an array';
  const plain = isPlain(value);
  if (plain === undefined) return 'an object that cannot be read';
  if (!plain) return named('an instance of', nameOf(read(value, 'constructor'))) ?? 'an instance of a class';
  const keys = Object.keys(value);
  const list = keys.slice(0, LONGEST_KEYS).map((key) => shown(key, 40));
  if (keys.length > LONGEST_KEYS) list.push('…');
  return `an object with the keys ${list.join(', ') || '(none)'}`;
}

function nameOf(value: unknown): string | undefined {
  const name = read(value, 'name');
  return typeof name === 'string' && name !== '' ? shown(name, 60) : undefined;
}

function named(kind: string, name: string | undefined): string | undefined {
  return name === undefined ? undefined : `${kind} ${name}`;
}
