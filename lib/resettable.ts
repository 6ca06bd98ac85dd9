// Makes a Knex instance resettable: checks what is given, finds the instance behind it or makes one, and puts the methods on.
import type { Knex } from 'knex';
import { Instance } from './instance';
import { standForBatchInserts } from './knex/batch-insert';
import { isKnexItself, lookAt } from './knex/given';
import { refuseOtherCopy, register, registeredFor } from './registry';
import { isInUse } from './reset/lifecycle';
import { describe, isPlainObject } from './words/describe';
import type { Resettable, ResettableOptions } from './words/types';
import { callable, checkOptions, DEFAULTS, flag, millis, oneOf, positiveMillis, type Settings } from './words/options';
import { awaitedAround } from './transaction/batch-insert';
import { checkHooks } from './transaction/block-options';
import { readAhead } from './transaction/read-ahead';

const EXPECTED = 'a Knex instance with a connection pool';

/**
 * Adds `resetConnection()`, `atomic()`, sandboxes and diagnostics to a Knex instance, and makes all its transactions truthful.
 * The instance can be in use already. A second call returns it unchanged.
 *
 * @example
 * export const db = resettable(knex({ client: 'pg', connection: process.env.DATABASE_URL }));
 *
 * @returns the same instance
 * @throws TypeError for anything but a Knex instance with a pool, for bad options, and for options given a second time
 * @see docs/resetting.md#resettable
 */
export function resettable<K extends Knex>(knex: K, options?: ResettableOptions): K & Resettable {
  const client = clientOf(knex);
  const known = registeredFor(client);
  if (known && options !== undefined) {
    throw new TypeError('resettable: this instance is resettable already, and its options were given the first time');
  }
  const instance = known ?? new Instance(knex, client, checkSettings(options));
  if (!known) {
    instance.takeOver();
    register(instance);
    // These connections are not opened by us.
    if (instance.isExternal || isInUse(instance)) readAhead(undefined);
  }
  const hasMethods = known !== undefined && 'resetConnection' in knex;
  if (!hasMethods || client !== instance.client) instance.attach(client);
  if (hasMethods) return knex as K & Resettable;
  const { ambient, settings } = instance;
  if (settings.ambient) standForBatchInserts(knex, (insert) => awaitedAround(ambient, insert));
  return Object.assign(knex, instance.methods);
}

function clientOf(knex: unknown) {
  const { client, pool, isTransaction } = lookAt(knex);
  if (!client) {
    const what = isKnexItself(knex) ? 'the knex function itself; call it with a config' : describe(knex);
    throw new TypeError(`resettable: expected ${EXPECTED}, but was given ${what}`);
  }
  if (isTransaction) {
    throw new TypeError(
      `resettable: expected ${EXPECTED}, but was given a transaction; use atomic(trx, …) for a block in it`,
    );
  }
  refuseOtherCopy('resettable', client);
  if (!Object.isExtensible(knex) && !(registeredFor(client) && 'resetConnection' in (knex as object)))
    throw new TypeError(`resettable: expected ${EXPECTED}, but was given one that is frozen or sealed`);
  if (!pool && !registeredFor(client))
    throw new TypeError(
      `resettable: expected ${EXPECTED}, but was given one without a pool (no connection, or destroyed)`,
    );
  return client;
}

/** @throws TypeError for unknown or ill-typed options */
function checkSettings(given: unknown): Settings {
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
