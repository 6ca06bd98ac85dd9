// The options of `resettable()`: checked, with their defaults, and the user's classifier with its guard.
import { isFatal } from './drivers/fatal-errors';
import { callable, checkOptions, DEFAULTS, flag, millis, oneOf, positiveMillis, refuse } from './words/options';
import { isPlainObject } from './words/describe';
import { inBackground, textOf, warn } from './words/foreign';
import type { Settings } from './pool/instance';
import { checkHooks } from './transaction/block-options';
import type { ResettableOptions } from './words/types';

/** @throws TypeError for unknown or ill-typed options */
export function checkSettings(given: unknown): Settings {
  const options = checkOptions<ResettableOptions>('resettable', given, {
    graceMillis: millis,
    timeoutMillis: millis,
    onFatal: oneOf('discard', 'evict', 'reset'),
    isFatal: callable,
    checkIdleMillis: millis,
    checkTimeoutMillis: positiveMillis,
    leakAfterMillis: positiveMillis,
    onLeak: callable,
    ambient: flag,
    transactionTimeoutMillis: positiveMillis,
    targetSessionAttrs: oneOf('any', 'read-write', 'read-only', 'primary', 'standby'),
    hooks: { expected: 'an object with hooks', accepts: isPlainObject },
  });
  options.hooks = checkHooks('resettable: hooks', options.hooks);
  const { graceMillis, timeoutMillis, onFatal, checkTimeoutMillis } = DEFAULTS;
  return { graceMillis, timeoutMillis, onFatal, checkTimeoutMillis, ...options };
}

/** The built-in verdict, or the user's. One that throws, or says neither true nor false, is reported as a warning and has no say. */
export function judge(error: unknown, { isFatal: override }: Settings, isWrongServer: boolean): boolean {
  const standard = isWrongServer || isFatal(error);
  // A transaction that is rolled back without an error has none to judge.
  if (!override || error === undefined) return standard;
  try {
    const verdict: unknown = override(error, standard);
    if (typeof verdict === 'boolean') return verdict;
    // What an async function rejects with would otherwise end the process.
    inBackground(Promise.resolve(verdict).then(() => {}));
    refuse('resettable: isFatal', verdict, 'it to return true or false');
  } catch (thrown) {
    warn(thrown instanceof Error ? thrown : new Error(`isFatal threw ${textOf(thrown)}`));
  }
  return standard;
}
