// Calls foreign code: drivers, pools, callbacks, listeners, loggers, getters, hooks. No function here throws or rejects.
import { type TimeLimit, within } from './waiting';

// Taken when this is loaded: a test may fake it.
export const nextTick = process.nextTick.bind(process);

/** Throws the error as an uncaught exception, as an error in a user's callback would be without this package. */
export function throwLater(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}

/** Calls a callback or listener of the user. */
export function callUser(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    throwLater(error);
  }
}

/** Returns what foreign code returns, or `otherwise` if it throws. */
export function valueOr<T>(otherwise: T, work: () => T): T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

/** Calls foreign code that may throw, reject or never settle. Resolves with its value, or with undefined in these cases. */
export function bounded<T>(limit: TimeLimit, work: () => PromiseLike<T> | T): Promise<T | undefined> {
  return within(limit, promised(work));
}

/** The same without a bound. What the code throws becomes a rejection. */
export async function promised<T>(work: () => PromiseLike<T> | T): Promise<T> {
  return work();
}

/** Runs a step. If it throws, a warning is emitted, and the steps after it still run. */
export function step(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    warn(error);
  }
}

/** Does not wait for the work. If it rejects, a warning is emitted. */
export function inBackground(work: PromiseLike<unknown> | undefined): void {
  work?.then(undefined, warn);
}

/** Emits a warning for a failure that no promise can carry. */
export function warn(error: unknown): void {
  // A suite that allows no warnings may have it throw.
  callUser(() => process.emitWarning(isA(error, Error) ? error : new Error(textOf(error))));
}

/** The text of a thrown value. */
export function textOf(value: unknown): string {
  return valueOr('something that has no text', () => String(value));
}

/** Reads a property of a foreign object, whose getter may throw. */
export function read(value: unknown, key: string | symbol): unknown {
  return valueOr(undefined, () => (value as Record<string | symbol, unknown> | null | undefined)?.[key]);
}

/** `instanceof`, which a proxy can make throw. */
export function isA<T extends object>(value: unknown, type: abstract new (...given: never[]) => T): value is T {
  return valueOr(false, () => value instanceof type);
}

/** What calling it does: a generator function runs nothing of itself, a class throws. Built-in constructors such as Boolean are functions. */
export function kindOfFunction(value: object): 'function' | 'generator function' | 'class' {
  return valueOr('function', () => {
    if (/Generator/.test(Object.prototype.toString.call(value))) return 'generator function';
    const hasFixedPrototype = Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;
    const isClass = hasFixedPrototype && Function.prototype.toString.call(value).startsWith('class');
    return isClass ? 'class' : 'function';
  });
}
