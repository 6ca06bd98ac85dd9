// Opens connections for the pool by knex's own means. What the user opens with the client itself stays the user's.
import type { KnexClient } from './insides';
import type { Tarn } from './tarn';

/** The same client, with another driver's module: what is opened through it is told of. */
export function openerOf(client: KnexClient, driver: unknown): KnexClient {
  restorePassword(client);
  return new Proxy(client, {
    get: (target, key, receiver) => (key === 'driver' ? driver : (Reflect.get(target, key, receiver) as unknown)),
  });
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
    const knexClass = Object.getPrototypeOf(Object.getPrototypeOf(opener)) as KnexClient;
    knexClass.initializePool.call(opener, config);
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
