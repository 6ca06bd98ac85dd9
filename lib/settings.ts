// The options of `resettable()`: checked, with their defaults.
import { callable, checkOptions, DEFAULTS, flag, millis, oneOf, positiveMillis, type Settings } from './words/options';
import { isPlainObject } from './words/describe';
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
