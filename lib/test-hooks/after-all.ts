// An instance between two runs of hooks: destroyed, but not for good. Other hooks, a fixture or another file may go on with it, and where
// nobody does, nothing of it keeps the process alive.
import type { ResettablePool } from '../pool/resettable-pool';
import { inBackground } from '../words/foreign';
import { nextTurn } from '../words/waiting';

/**
 * After each of these a connection may be idle: one is given back; one is opened, or has passed its check, when its borrower has another one
 * already or has given up; the last one that others had to wait for is lent.
 */
const EVENTS = ['release', 'createSuccess', 'acquireSuccess', 'acquireFail'];

const listeners = new WeakMap<ResettablePool, () => void>();

/** Closes each connection as soon as it is idle, until `keepIdle()`. Those in a pool of the user's are the user's. */
export function closeWhenIdle(pool: ResettablePool): void {
  if (listeners.has(pool) || pool.host.isExternal) return;
  const onEvent = () => inBackground(closeIdle(pool));
  for (const event of EVENTS) pool.on(event, onEvent);
  listeners.set(pool, onEvent);
}

export function keepIdle(pool: ResettablePool): void {
  const listener = listeners.get(pool);
  if (listener) for (const event of EVENTS) pool.removeListener(event, listener);
  listeners.delete(pool);
}

async function closeIdle(pool: ResettablePool): Promise<void> {
  // The pool tells of a release before the connection is idle.
  await nextTurn();
  // Another event follows for each that waits, and one that is being checked for it is not idle.
  if (pool.waiting > 0 || !listeners.has(pool)) return;
  const { register } = pool;
  const idle = [...register.connections].filter((each) => !each.lent && !register.keeps(each));
  await Promise.all(idle.map((each) => register.discard(each)));
}
