// Opens connections for the pool by knex's own means. What the user opens with the client itself stays the user's.
import { promisify } from 'node:util';
import { knexPrototypeOf } from './identity';
import type { KnexClient } from './client-shape';
import type { Tarn } from './tarn';

type AfterCreate = (raw: object, done: (error?: unknown, ...rest: unknown[]) => void) => unknown;

interface PoolConfig {
  afterCreate?: AfterCreate;
}

/** What opens connections for the pool. */
export interface OpenerHost {
  /** The driver's module, made to tell of what is opened through it. */
  observed(module: unknown): unknown;
  acquireRaw(open: () => Promise<object>): Promise<object>;
  /** Knex has opened it, and forgets it, because `afterCreate` has failed. */
  forsake(raw: object): void;
}

/** The same client, with another driver's module: what is opened through it is told of. */
export function openerOf(client: KnexClient, host: OpenerHost): KnexClient {
  restorePassword(client);
  // It has no prototype: every name that knex reads is looked up in it first.
  const own: Partial<Record<string | symbol, unknown>> = {
    __proto__: null,
    driver: host.observed(client.driver),
    acquireRawConnection: () => host.acquireRaw(() => client.acquireRawConnection.call(opener)),
    getPoolSettings: (config: PoolConfig | undefined) =>
      client.getPoolSettings.call(
        opener,
        withAfterCreate(config, (raw) => host.forsake(raw)),
      ),
  };
  const opener: KnexClient = new Proxy(client, {
    get: (target, key) => (key in own ? own[key] : (target as unknown as typeof own)[key]),
  });
  return opener;
}

function withAfterCreate(config: PoolConfig | undefined, failed: (raw: object) => void): PoolConfig | undefined {
  const { afterCreate } = config ?? {};
  if (typeof afterCreate !== 'function') return config;
  const watched: AfterCreate = (raw, done) => {
    let isOver = false;
    // What it says first counts, as with a promise: a connection that knex has taken is not forsaken any more.
    const says = (error: unknown, ...rest: unknown[]) => {
      if (isOver) return;
      isOver = true;
      if (error) failed(raw);
      done(error, ...rest);
    };
    try {
      return afterCreate(raw, says);
    } catch (error) {
      if (!isOver) failed(raw);
      isOver = true;
      throw error;
    }
  };
  return { ...config, afterCreate: watched };
}

/** A copy (`withUserParams()`) has all of the settings that it would open with but the password, which is not enumerable. */
function restorePassword({ config: { connection }, connectionSettings: settings }: KnexClient): void {
  if (typeof connection !== 'object' || connection === null || !settings || settings.password !== undefined) return;
  const { password } = connection as { password?: unknown };
  if (password !== undefined) Object.defineProperty(settings, 'password', { value: password });
}

/** Lets knex build a real pool for the client, as it would at the start. */
export function buildRealPool(opener: KnexClient, config: object): Tarn {
  const { pool } = opener;
  opener.pool = undefined;
  try {
    knexPrototypeOf(opener).initializePool.call(opener, config);
    return opener.pool as unknown as Tarn;
  } finally {
    opener.pool = pool;
  }
}

/** A pool that knex built before opens by the opener from now on. */
export function openBy(opener: KnexClient, tarn: Tarn): void {
  const { create } = opener.getPoolSettings(opener.config.pool);
  tarn.creator = create;
}

const always = () => true;

/** Opens a connection with what a connection function in the config says now, whenever it was asked last. */
export function openWithFreshSettings<T>(client: KnexClient, open: () => T): T {
  if (!client.connectionConfigProvider) return open();
  const { connectionConfigExpirationChecker: earlier } = client;
  client.connectionConfigExpirationChecker = always;
  try {
    return open();
  } finally {
    // Knex has looked at it already, and would drop idle connections for it.
    client.connectionConfigExpirationChecker = earlier;
  }
}

// What knex's own acquireConnection() does beside asking its pool is done when a connection is opened, or could not be had.

/** What knex does with the outcome of asking its pool: a password is hidden, an error is logged and made knex's own. */
export function asKnexAcquires(client: KnexClient, outcome: Promise<object>): Promise<object> {
  const asked = Object.create(client, { pool: { value: { acquire: () => ({ promise: outcome }) } } }) as KnexClient;
  return knexPrototypeOf(client).acquireConnection.call(asked);
}

/** What else knex does where its pool gives it a connection. Undefined: nothing, as with `pg`. */
export function hidePassword(client: KnexClient, connection: object): Promise<unknown> | undefined {
  return 'config' in connection ? asKnexAcquires(client, Promise.resolve(connection)) : undefined;
}

// What knex does with a connection that it has just opened.

/** As the config says; nothing on a database without one. */
export function setSearchPath(client: object, raw: object): Promise<unknown> | undefined {
  return (client as KnexClient).setSchemaSearchPath?.(raw);
}

/** What the user does with it. */
export function runAfterCreate(client: object, raw: object): Promise<unknown> | undefined {
  const { afterCreate } = ((client as KnexClient).config.pool ?? {}) as PoolConfig;
  return afterCreate && promisify(afterCreate)(raw);
}
