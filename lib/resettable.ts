// Puts the features on one Knex instance: the only file that sees them all.
import type { Knex } from 'knex';
import { explainFullPool } from './diagnostics/holders';
import { LeakWatch } from './diagnostics/leaks';
import { Recording } from './diagnostics/recording';
import { driverOf } from './drivers';
import { watchBuilders } from './knex/builders';
import { claim } from './knex/claimed';
import { factsOf } from './knex/client-facts';
import { makeClaimedPrototype } from './knex/client-class';
import type { KnexClient } from './knex/client-shape';
import { isKnexItself, lookAt } from './knex/given';
import { isOfTransaction } from './knex/identity';
import { asKnexAcquires, buildRealPool, hidePassword, openBy, openerOf, openWithFreshSettings } from './knex/opener';
import { hasExternalPool, lendsUnasked } from './knex/pool-settings';
import type { KnexPool } from './knex/pool-shape';
import { forwardTo } from './knex/stand-in';
import { isTarn, TarnPool } from './knex/tarn';
import { KnexResetError } from './words/errors';
import { inBackground } from './words/foreign';
import { describe } from './words/describe';
import { Ambient } from './pool/ambient';
import type { Instance, OpenEntry, Settings } from './pool/instance';
import { ExternalPool } from './pool/real-pool';
import { ResettablePool } from './pool/resettable-pool';
import { connectionOf } from './connection/connection';
import { afterDeath, afterError, answers } from './recovery/recovery';
import { RightServer } from './recovery/right-server';
import { Lifecycle } from './reset/lifecycle';
import { methodsOf } from './methods';
import { checkSettings, judge } from './settings';
import { type RegisteredInstance, refuseOtherCopy, register, registeredFor } from './registry';
import { beginTransaction } from './transaction/begin';
import { openSandboxTransaction } from './transaction/sandbox-transaction';
import { sharedLimit } from './transaction/shared-limit';
import { watchRunner } from './transaction/pending';
import type { Resettable, ResettableOptions } from './words/types';

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
  const settings = checkSettings(options);
  const registered = known ?? attach(knex, client, settings);
  if (!('resetConnection' in knex) || (knex as { client: unknown }).client !== registered.instance.client)
    registered.attachClient(client);
  return Object.assign(knex, registered.methods);
}

function clientOf(knex: unknown): KnexClient {
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
  if (!pool && !registeredFor(client))
    throw new TypeError(
      `resettable: expected ${EXPECTED}, but was given one without a pool (no connection, or destroyed)`,
    );
  return client;
}

function attach(knex: Knex, client: KnexClient, settings: Settings): RegisteredInstance {
  const first = client.pool as KnexPool;
  const isExternal = hasExternalPool(client);
  const driver = driverOf(factsOf(client));
  const rightServer = new RightServer(driver, settings, isExternal);
  const recording = new Recording((made) => watchBuilders(prototype, made));
  const ambient = new Ambient();
  const transactionLimit = sharedLimit(settings);
  let config: object = client.config;

  const pool: ResettablePool = new ResettablePool({
    driver,
    isExternal,
    timeoutMillis: settings.timeoutMillis,
    build: () => new TarnPool(buildRealPool(opener, config), pool.guards),
    makeAfresh: (make) => openWithFreshSettings(client, make),
    opened: (connection) => rightServer.opened(connection, hidePassword(client, connection.raw)),
    origins: recording,
    ambient,
    lendsUnasked: lendsUnasked(client),
    checkIdleMillis: settings.checkIdleMillis,
    answers: (connection) => answers(connection, settings.checkTimeoutMillis),
    onDeath: (connection, error) => afterDeath(instance, connection, error),
    onError: (connection, error) => afterError(instance, connection, rightServer.seen(connection, error)),
    async explain(error) {
      // Knex logs ten lines for each.
      if (error instanceof KnexResetError) throw error;
      const explained = await asKnexAcquires(client, Promise.reject(error as Error)).catch((e: unknown) => e);
      throw explainFullPool(instance, explained);
    },
    destroy: () => lifecycle.destroy(),
  });
  const instance: Instance = {
    knex,
    client,
    driver,
    pool,
    settings,
    open: new Set<OpenEntry>(),
    ambient,
    transactionLimit,
    pausedRetries: new Set(),
    resets: 0,
    latestReset: undefined,
    isFatal: (error) => judge(error, settings, rightServer.isRefusal(error)),
    opened(entry) {
      instance.open.add(entry);
      leakWatch.opened(entry);
    },
    closed(entry) {
      instance.open.delete(entry);
      leakWatch.closed(entry);
      transactionLimit?.ended(entry);
    },
    reset: (options) => lifecycle.reset(options),
    hold: (holder, stack) => openSandboxTransaction(instance, holder, stack),
  };
  const leakWatch = new LeakWatch(settings);
  const dormant = new Set<KnexClient>();
  const lifecycle = new Lifecycle(instance, () => {
    for (const sleeping of dormant) sleeping.pool = pool;
    dormant.clear();
  });

  const prototype = makeClaimedPrototype(client, {
    pool,
    initialize(given) {
      config = given ?? config;
      lifecycle.reopen();
    },
    destroyed: (destroyed) => void dormant.add(destroyed),
    transaction: (asking, asked, make) => beginTransaction(instance, asking, asked, make),
    running(asking, builder, runner) {
      if (isOfTransaction(asking)) watchRunner(asking, runner);
      else recording.running(builder);
    },
    readsWhole: (raw) => connectionOf(raw)?.mutex.isShared === true,
    carry: driver.carry?.bind(driver),
  });
  if (settings.leakAfterMillis !== undefined) recording.start();
  const opener = openerOf(client, {
    driver: driver.observeOpening?.(client.driver, pool.openings) ?? client.driver,
    acquireRaw: (open) => pool.openings.acquireRaw(open),
    forsake: (raw) => pool.openings.forsake(raw),
  });
  if (isTarn(first) && !isExternal) {
    openBy(opener, first);
    pool.takeOverPool(new TarnPool(first, pool.guards));
    forwardTo(first, pool);
  } else {
    pool.real.beginWith(new ExternalPool(first));
  }
  if (rightServer.isPicky) inBackground(pool.evict());
  const registered: RegisteredInstance = {
    instance,
    recording,
    methods: methodsOf(instance, recording),
    attachClient: (adopted) => claim(adopted, pool, prototype),
  };
  register(client, registered);
  return registered;
}
