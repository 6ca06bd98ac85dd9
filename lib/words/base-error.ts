// The base of all errors of this package. Recognised by a registered symbol, so that two installed copies know each other's errors.
import { read, valueOr } from './foreign';
import type { OpenTransaction } from './types';

const CODE = Symbol.for('knex-reset.error');
const TEXT = Symbol('knex-reset.message');

/** Knex assigns "SQL with bindings - message" to the message of whatever passes its query path: bindings stay out of our errors. */
const MESSAGE: PropertyDescriptor & ThisType<{ [TEXT]: string }> = {
  get() {
    return this[TEXT];
  },
  set() {},
  configurable: true,
};

export interface ErrorDetails {
  cause?: unknown;
  transaction?: OpenTransaction | undefined;
}

/**
 * The base of all errors of this package.
 * @see docs/errors.md#all-errors
 */
export class KnexResetError extends Error {
  /** The code of the class, such as `ERR_RESET`. */
  readonly code: string;
  /** Errors that came later and did not replace this one, oldest first. */
  declare suppressed?: unknown[];
  /** The transaction of a failure that has ended one, with the place where it was opened. */
  declare readonly transaction?: OpenTransaction;

  constructor(message: string, code: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.transaction) this.transaction = details.transaction;
    Object.defineProperty(this, CODE, { value: code });
    Object.defineProperty(this, TEXT, { value: message });
    Object.defineProperty(this, 'message', MESSAGE);
  }

  static override [Symbol.hasInstance](this: object & { code?: string }, value: unknown): boolean {
    const isOfClass = () => Function.prototype[Symbol.hasInstance].call(this as () => void, value);
    // `instanceof` on a proxy may throw, which must not replace the error that is looked at.
    if (valueOr(false, isOfClass)) return true;
    const code = read(value, CODE);
    return code !== undefined && (this === KnexResetError || (Object.hasOwn(this, 'code') && this.code === code));
  }
}

/** Gives classes and their errors the names that users see, also where a bundler has renamed the classes. */
export function nameErrors(types: Record<string, { prototype: Error }>): void {
  for (const [value, type] of Object.entries(types)) {
    Object.defineProperty(type, 'name', { value, configurable: true });
    Object.defineProperty(type.prototype, 'name', { value, configurable: true, writable: true });
  }
}

nameErrors({ KnexResetError });
