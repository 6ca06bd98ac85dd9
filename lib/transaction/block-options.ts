// The options of a transaction block, and its hooks: what may be given.
import {
  callable,
  checkCallable,
  checkOptions,
  flag,
  millis,
  oneOf,
  positiveMillis,
  refuse,
  text,
} from '../words/options';
import { isPlainObject } from '../words/describe';
import type { AtomicOptions, RetryOptions, TransactionHooks } from '../words/block-types';
import { HOOK_KINDS } from './hook-table';

type Checks<T> = Parameters<typeof checkOptions<Required<T> & object>>[2];

const ISOLATION_LEVELS = ['read uncommitted', 'read committed', 'snapshot', 'repeatable read', 'serializable'];

const HOOK_CHECKS = Object.fromEntries(HOOK_KINDS.map((kind) => [kind, callable]));

const RETRY_CHECKS: Checks<RetryOptions> = {
  attempts: {
    expected: 'a whole number, 1 or more',
    accepts: (value) => Number.isInteger(value) && (value as number) >= 1,
  },
  minDelayMillis: millis,
  maxDelayMillis: millis,
  when: callable,
};

const OPTION_CHECKS: Checks<AtomicOptions> = {
  label: text,
  isolationLevel: oneOf(...ISOLATION_LEVELS),
  readOnly: flag,
  deferrable: flag,
  durable: flag,
  savepoint: flag,
  timeoutMillis: {
    expected: `${positiveMillis.expected}, or Infinity`,
    accepts: (value) => value === Number.POSITIVE_INFINITY || positiveMillis.accepts(value),
  },
  signal: { expected: 'an AbortSignal', accepts: isSignal },
  retry: {
    expected: 'a number of attempts or an object',
    accepts: (value) => typeof value === 'number' || isPlainObject(value),
  },
  verifyCommit: flag,
  hooks: { expected: 'an object with hooks', accepts: isPlainObject },
};

/** Test environments have an AbortSignal of their own. */
function isSignal(value: unknown): boolean {
  const { aborted, addEventListener } = value as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function';
}

/** @throws TypeError for unknown hooks, and for those that are no functions. */
export function checkHooks(where: string, hooks: unknown): TransactionHooks | undefined {
  return hooks === undefined ? undefined : checkOptions<TransactionHooks>(where, hooks, HOOK_CHECKS as never);
}

/** @throws TypeError for a block that is no function, and for unknown or ill-typed options. */
export function checkAtomic(block: unknown, given: unknown): AtomicOptions {
  checkCallable('atomic', block, 'a function or an async function as the block, not a generator');
  const options = checkOptions<AtomicOptions>('atomic', given, OPTION_CHECKS as never);
  options.hooks = checkHooks('atomic: hooks', options.hooks);
  // An empty one would name nothing in a message.
  options.label ||= undefined;
  if (options.retry !== undefined) {
    const retry = typeof options.retry === 'number' ? { attempts: options.retry } : options.retry;
    const checked = checkOptions<RetryOptions>('atomic: retry', retry, RETRY_CHECKS as never);
    if (checked.attempts === undefined) throw new TypeError('atomic: retry: attempts is missing');
    options.retry = checked;
    const { minDelayMillis = 0, maxDelayMillis = Number.POSITIVE_INFINITY } = options.retry;
    if (minDelayMillis > maxDelayMillis)
      refuse('atomic: retry: maxDelayMillis', maxDelayMillis, 'no less than minDelayMillis');
  }
  if (options.savepoint === false) {
    for (const key of ['timeoutMillis', 'signal'] as const) {
      if (options[key] !== undefined) refuse(`atomic: ${key} with savepoint: false`, options[key], 'one of the two');
    }
  }
  return options;
}
