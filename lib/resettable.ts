// Puts the features on one Knex instance: the only file that sees them all.
import type { Knex } from 'knex';
import { explainFullPool } from './diagnostics/holders';
import { LeakWatch } from './diagnostics/leaks';
import { Recording } from './diagnostics/recording';
import { connectionState } from './diagnostics/state';
import { driverOf } from './drivers';
import {
  asKnexAcquires,
  buildRealPool,
  carryQueries,
  claim,
  hidePassword,
  makeClaimedPrototype,
  openWithFreshSettings,
  watchBuilders,
} from './knex/client-class';
import { hasExternalPool, type KnexClient, type KnexPool, lendsUnasked } from './knex/insides';
import { isTarn, TarnPool } from './knex/tarn';
import { describe } from './options';
import { Ambient } from './pool/ambient';
import type { Instance, OpenEntry, Settings } from './pool/instance';
import { ExternalPool } from './pool/real-pool';
import { ResettablePool } from './pool/resettable-pool';
import { sessionOf } from './pool/session';
import { captureStack } from './pool/stack';
import { afterDeath, afterError, check, needsCheck } from './recovery/recovery';
import { Lifecycle } from './reset/lifecycle';
import { pinSandbox, runInSandbox } from './sandbox/sandbox';
import { checkSettings, judge } from './settings';
import { type Site, sites } from './sites';
import { runOutermost } from './transaction/atomic';
import { beginTransaction } from './transaction/begin';
import { hold } from './transaction/hold';
import { watchRunner } from './transaction/pending';
import type { Resettable, ResettableOptions } from './types';

const EXPECTED = 'a Knex instance with a connection pool';

/**
 * Adds `resetConnection()`, `atomic()`, sandboxes and diagnostics to a Knex instance, and makes all its transactions truthful.
 *
 * @returns the same instance
 * @throws TypeError for anything but a Knex instance with a pool, for bad options, and for options given the second time
 */
export function resettable<K extends Knex>(knex: K, options?: ResettableOptions): K & Resettable {
  const client = clientOf(knex);
  const known = sites.get(client.pool ?? client);
  if (known && options !== undefined) {
    throw new TypeError('resettable: this instance is resettable already, and its options were given the first time');
  }
  const settings = checkSettings(options);
  const site = known ?? attach(knex, client, settings);
  if (!('resetConnection' in knex) || (knex as { client: unknown }).client !== site.instance.client) site.adopt(client);
  return Object.assign(knex, site.methods);
}

function clientOf(knex: unknown): KnexClient {
  const candidate = knex as { client?: KnexClient; isTransaction?: boolean } | null | undefined;
  if (typeof candidate !== 'function' || typeof (candidate as { client?: KnexClient }).client !== 'object') {
    throw new TypeError(`resettable: expected ${EXPECTED}, but was given ${describe(knex)}`);
  }
  const { client, isTransaction } = candidate as { client: KnexClient; isTransaction?: boolean };
  if (isTransaction) {
    throw new TypeError(
      `resettable: expected ${EXPECTED}, but was given a transaction; use atomic(trx, …) for a block in it`,
    );
  }
  if (!client.pool && !sites.has(client))
    throw new TypeError(
      `resettable: expected ${EXPECTED}, but was given one without a pool (no connection, or destroyed)`,
    );
  return client;
}

function attach(knex: Knex, client: KnexClient, settings: Settings): Site {
  const first = client.pool as KnexPool;
  const isExternal = hasExternalPool(client);
  const driver = driverOf(client);
  const recording = new Recording((made) => watchBuilders(prototype, made));
  const ambient = new Ambient();
  let config: object = client.config;

  const pool: ResettablePool = new ResettablePool({
    driver,
    isExternal,
    timeoutMillis: settings.timeoutMillis,
    build: () => new TarnPool(buildRealPool(client, config), pool.guards),
    makeAfresh: (make) => openWithFreshSettings(client, make),
    opened: (connection) => hidePassword(client, connection),
    whereAsked: () => recording.take(),
    home: () => ambient.current(),
    lendsUnasked: lendsUnasked(client),
    needsCheck: (session) => needsCheck(instance, session),
    check: (session) => check(instance, session),
    onDeath: (session, error) => afterDeath(instance, session, error),
    onError: (session, error) => afterError(instance, session, error),
    async explain(error) {
      const explained = await asKnexAcquires(client, Promise.reject(error as Error)).catch(
        (knexError: unknown) => knexError,
      );
      throw explainFullPool(instance, explained);
    },
    destroy: () => lifecycle.destroy(),
  });
  const open = new Set<OpenEntry>();
  const instance: Instance = {
    knex,
    client,
    driver,
    pool,
    settings,
    open,
    ambient,
    asleep: new Set(),
    resets: 0,
    latestReset: undefined,
    isFatal: (error) => judge(error, settings),
    opened(entry) {
      open.add(entry);
      leakWatch.opened();
    },
    closed(entry) {
      open.delete(entry);
      leakWatch.closed();
    },
    reset: (options) => lifecycle.reset(options),
    hold: (holder, stack) => hold(instance, holder, stack),
  };
  const leakWatch = new LeakWatch(instance);
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
      if (asking.transacting) watchRunner(asking, runner);
      else recording.running(builder);
    },
    readsWhole: (connection) => sessionOf(connection)?.turns !== undefined,
  });
  const carry = driver.carry?.bind(driver);
  if (carry) carryQueries(prototype, carry);
  if (settings.leakAfterMillis !== undefined) recording.start();
  if (driver.observeOpening) client.driver = driver.observeOpening(client.driver, pool.openings);
  if (isTarn(first) && !isExternal) {
    pool.adopt(new TarnPool(first, pool.guards));
    new TarnPool(first).forwardTo(pool);
  } else {
    pool.adopt(new ExternalPool(first));
  }

  const methods: Resettable = {
    resetConnection: (...args: unknown[]) => lifecycle.reset(args[0]),
    // A copy has the same function, and its transactions the copy's parameters.
    atomic: function atomic(this: Partial<Knex> | undefined, block, options) {
      return runOutermost(instance, { block, options, stack: captureStack(atomic), userParams: this?.userParams });
    },
    sandbox: function sandbox(body, options) {
      return runInSandbox(instance, recording, body, { options, stack: captureStack(sandbox) });
    },
    openSandbox: function openSandbox(...args: unknown[]) {
      return pinSandbox(instance, recording, { options: args[0], stack: captureStack(openSandbox) });
    },
    connectionState: () => connectionState(instance),
  };
  const site: Site = {
    instance,
    recording,
    methods,
    adopt(adopted) {
      sites.set(adopted, site);
      claim(adopted, pool, prototype);
    },
  };
  sites.set(first, site);
  sites.set(pool, site);
  return site;
}
