// The shapes of pools: what knex expects of the object in `client.pool`, and tarn's, whose fields are neither documented nor private by more
// than habit.
import type { EventEmitter } from 'node:events';
import { missing, type Shape } from './shape';

/** Official since 3.3 (`connectionPool`), and all that knex uses before. */
export interface KnexPool {
  acquire(): { promise: Promise<object> };
  release(connection: object): boolean;
  destroy(): Promise<unknown>;
}

export type Create = () => Promise<object>;
export type Validate = (connection: object) => boolean | Promise<boolean>;
export type Destroy = (connection: object) => unknown;
export type Listener = (...args: unknown[]) => void;

export interface PendingAcquire {
  promise: Promise<object>;
  reject(error: unknown): void;
}

/** Tarn's own. */
interface PendingOperation extends PendingAcquire {
  isRejected: boolean;
  resolve(connection: object): void;
}

/** tarn's Pool, with the fields for which it has no method: what is in it, and what it makes and checks connections with. */
export interface Tarn {
  acquire(): PendingAcquire;
  release(connection: object): boolean;
  destroy(): Promise<unknown>;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingCreates(): number;
  numPendingValidations(): number;
  on(event: string, listener: Listener): void;
  removeListener(event: string, listener: Listener): void;
  removeAllListeners(event: string): void;
  min: number;
  max: number;
  used: { resource: object }[];
  free: { resource: object }[];
  pendingAcquires: PendingOperation[];
  pendingCreates: PendingAcquire[];
  pendingValidations: PendingAcquire[];
  emitter: EventEmitter;
  /** The number of the next event. */
  eventId: number;
  destroyed: boolean;
  creator: Create;
  validate: Validate;
  destroyer: Destroy;
  log(message: string, level: string): void;
  _executeEventHandlers(event: string, ...told: unknown[]): void;
  _tryAcquireOrCreate(): void;
  _doAcquire(): void;
  _destroy(connection: object): Promise<unknown>;
  _startReaping(): void;
  _stopReaping(): void;
}

/** Not in every version that knex takes: without it such a timer runs to its end. */
export interface Retrying {
  /** Each tries an opening again that has failed. */
  pendingRetryTimers?: NodeJS.Timeout[];
}

export const TARN: Shape<Tarn> = {
  acquire: 'function',
  release: 'function',
  destroy: 'function',
  numUsed: 'function',
  numFree: 'function',
  numPendingAcquires: 'function',
  numPendingCreates: 'function',
  numPendingValidations: 'function',
  on: 'function',
  removeListener: 'function',
  removeAllListeners: 'function',
  min: 'number',
  max: 'number',
  used: 'object',
  free: 'object',
  pendingAcquires: 'object',
  pendingCreates: 'object',
  pendingValidations: 'object',
  emitter: 'object',
  eventId: 'number',
  destroyed: 'boolean',
  creator: 'function',
  validate: 'function',
  destroyer: 'function',
  log: 'function',
  _executeEventHandlers: 'function',
  _tryAcquireOrCreate: 'function',
  _doAcquire: 'function',
  _destroy: 'function',
  _startReaping: 'function',
  _stopReaping: 'function',
};

/** What no other pool has. */
const TARNS_OWN = ['pendingAcquires', 'pendingCreates', 'creator', 'destroyer', '_tryAcquireOrCreate', '_startReaping'];

/** What a tarn pool does not have that is relied on. Of any other pool nothing is, but for what knex itself calls. */
export function missingInTarn(pool: object): string[] {
  return TARNS_OWN.some((name) => name in pool) ? missing(pool, TARN) : [];
}

export function isTarn(pool: unknown): pool is Tarn {
  const candidate = pool as Partial<Tarn>;
  return (
    Array.isArray(candidate.used) &&
    Array.isArray(candidate.free) &&
    typeof candidate._tryAcquireOrCreate === 'function'
  );
}
