// The door to code that is not ours: drivers, pools, callbacks, listeners, loggers, getters, hooks. Nothing here throws or rejects.
import { type TimeLimit, within } from './waiting';

// Taken when this is loaded: a test may fake it.
export const nextTick = process.nextTick.bind(process);

/** Throws the error where it is the process's business, as it is for a callback of the user's without this package. */
export function throwLater(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}

/** Calls a callback or listener of the user's own. */
export function callUser(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    throwLater(error);
  }
}

/** What foreign code returns, or `otherwise` where it throws. */
export function valueOr<T>(otherwise: T, work: () => T): T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

/** Calls foreign code that may throw, reject or never settle. Resolves with its value; with undefined in the other cases. */
export function bounded<T>(limit: TimeLimit, work: () => PromiseLike<T> | T): Promise<T | undefined> {
  return within(limit, promised(work));
}

/** The same without a bound: what it throws is a rejection. */
export async function promised<T>(work: () => PromiseLike<T> | T): Promise<T> {
  return work();
}

/** Does a step that others after it rely on: what it throws is a warning, and they go on. */
export function step(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    warn(error);
  }
}

/** Lets work go on without a wait. If it rejects, a warning is emitted. */
export function inBackground(work: PromiseLike<unknown> | undefined): void {
  work?.then(undefined, warn);
}

/** Emits a warning for a failure that no promise can carry. */
export function warn(error: unknown): void {
  const isError = valueOr(false, () => error instanceof Error);
  process.emitWarning(isError ? (error as Error) : new Error(textOf(error)));
}

/** The text of whatever was thrown. */
export function textOf(value: unknown): string {
  return valueOr('something that has no text', () => String(value));
}

/** A property of something foreign, whose getter may throw. */
export function read(value: unknown, key: string | symbol): unknown {
  return valueOr(undefined, () => (value as Record<string | symbol, unknown> | null | undefined)?.[key]);
}
