// Async contexts: they cost every promise of the process from the first one on, and the events of a socket know nothing of them.
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';

let isUsed = false;

export function makeContext<T>(): AsyncLocalStorage<T> {
  isUsed = true;
  return new AsyncLocalStorage();
}

/**
 * From now on listeners are called in the async context of this call, whatever leads to the event. A socket's events have that of
 * whoever opened it. Nothing is done in a process without a context of this package.
 */
export function keepContext(emitter: EventEmitter): void {
  if (!isUsed) return;
  const asked = new AsyncResource('knex-reset.events');
  const emit = emitter.emit.bind(emitter);
  const emitInContext = (...event: Parameters<EventEmitter['emit']>): boolean =>
    asked.runInAsyncScope(emit, undefined, ...event);
  Object.assign(emitter, { emit: emitInContext });
}
