// Foreign code that a tarn pool calls: its checks, and its listeners, also where this package closes a connection or ends the pool in tarn's place.
import { inspect } from 'node:util';
import { valueOr } from '../words/foreign';
import type { Tarn } from './pool-shape';

// Where its log throws, or what was thrown has no stack, tarn itself stops in the middle of a release, or of lending a checked connection.

export function tellListeners(tarn: Tarn, event: string, told: unknown[]): void {
  for (const listener of tarn.emitter.listeners(event)) {
    try {
      listener(...told);
    } catch (error) {
      warn(tarn, `event handler "${event}"`, error);
    }
  }
}

/** Whether a connection may be lent: not where the check fails. */
export async function checked(tarn: Tarn, check: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await check();
  } catch (error) {
    warn(tarn, 'resource validator', error);
    return false;
  }
}

function warn(tarn: Tarn, who: string, error: unknown): void {
  valueOr(undefined, () => tarn.log(`Tarn: ${who} threw an exception ${inspect(error)}`, 'warn'));
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
