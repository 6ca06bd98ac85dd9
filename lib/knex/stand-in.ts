// A tarn pool that stands in for the pool of a resettable instance: copies of the instance that were made before have it.
import type { Tarn } from './pool-shape';

const FORWARDED = [
  'acquire',
  'release',
  'destroy',
  'numUsed',
  'numFree',
  'numPendingAcquires',
  'numPendingCreates',
  'numPendingValidations',
  'on',
  'removeListener',
  'removeAllListeners',
] as const;

/** From now on the object forwards what knex and users ask of it. A `TarnPool` of it goes on working: it uses the methods of tarn's class. */
export function forwardTo(tarn: Tarn, target: object): void {
  for (const name of FORWARDED) {
    Object.defineProperty(tarn, name, {
      value: (...args: unknown[]) => (target as Record<string, (...args: unknown[]) => unknown>)[name]?.(...args),
      configurable: true,
    });
  }
}

/** Whether the object forwards to the pool of a resettable instance. */
export function isStandIn(pool: object): boolean {
  return Object.hasOwn(pool, 'release');
}
