// An instance between two runs of hooks: destroyed, but not for good. Other hooks, a fixture or another file may go on with it, and where
// nobody does, nothing of it keeps the process alive.
import type { ResettablePool } from '../pool/resettable-pool';
import { inBackground } from '../words/foreign';
import { nextTurn } from '../words/waiting';

const listeners = new WeakMap<ResettablePool, () => void>();

/** Closes each connection as soon as it is idle, until `keepIdle()`. */
export function closeWhenIdle(pool: ResettablePool): void {
  if (listeners.has(pool)) return;
  // The pool tells of a release before the connection is idle.
  const onRelease = () => inBackground(nextTurn().then(() => pool.evict()));
  pool.on('release', onRelease);
  listeners.set(pool, onRelease);
}

export function keepIdle(pool: ResettablePool): void {
  const listener = listeners.get(pool);
  if (listener) pool.removeListener('release', listener);
  listeners.delete(pool);
}
