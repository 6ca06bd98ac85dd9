// What the listeners of a tarn pool hear, also where this package closes a connection or ends the pool in tarn's place.
import { inspect } from 'node:util';
import { valueOr } from '../words/foreign';
import type { Tarn } from './pool-shape';

/** Tarn's own way of it stops in the middle of a release where its log throws, or a listener throws what has no stack. */
export function tellListeners(tarn: Tarn, event: string, told: unknown[]): void {
  for (const listener of tarn.emitter.listeners(event)) {
    try {
      listener(...told);
    } catch (error) {
      valueOr(undefined, () => tarn.log(`Tarn: event handler "${event}" threw an exception ${inspect(error)}`, 'warn'));
    }
  }
}

/** A connection is being closed. Returns what tells that it is closed. */
export function tellClosing(tarn: Tarn, connection: object, isLent: boolean): () => void {
  if (isLent) tellListeners(tarn, 'release', [connection]);
  return tellRequest(tarn, 'destroy', connection);
}

/** The pool begins to end: it closes idle connections no more by itself. Returns what tells that it has ended. */
export function tellEnd(tarn: Tarn): () => void {
  const tellEnded = tellRequest(tarn, 'poolDestroy');
  tarn._stopReaping();
  return tellEnded;
}

/** A request and its success have the same number. */
function tellRequest(tarn: Tarn, event: string, ...about: object[]): () => void {
  const told = [tarn.eventId++, ...about];
  tellListeners(tarn, `${event}Request`, told);
  return () => tellListeners(tarn, `${event}Success`, told);
}
