// Handles a fatal error: discards its connection, and others with it if one death means that they are dead too.
import { PING } from '../drivers/sql';
import type { Instance } from '../pool/instance';
import type { Connection } from '../connection/connection';
import { inBackground, read, textOf } from '../words/foreign';
import { within } from '../words/waiting';

/** A statement failed. A connection that had a fatal error is not lent again. */
export function afterError(instance: Instance, connection: Connection, error: unknown): void {
  if (connection.refusal !== undefined || !instance.isFatal(error)) return;
  connection.health.fatal ??= error as Error;
  connection.doomed = true;
  recover(instance, connection, error);
}

/** A connection has died, perhaps while idle. */
export function afterDeath(instance: Instance, connection: Connection, error: Error): void {
  recover(instance, connection, error);
}

/** Once for all connections that were open when the first of them died: the later ones tell nothing new. */
function recover(instance: Instance, connection: Connection, error: unknown): void {
  const { pool, settings } = instance;
  if (!pool.register.isCurrent(connection)) return;
  if (settings.onFatal === 'evict') inBackground(pool.evict());
  if (settings.onFatal === 'reset') {
    const reason = `fatal error ${textOf(read(error, 'code') ?? read(error, 'message') ?? '')}`.trim();
    const earlier = instance.resets;
    // An acquire that waits for a checked connection has asked nothing on it: another one is as good.
    inBackground(instance.reset({ reason, waiting: connection.health.isChecked ? 'requeue' : 'reject' }));
    if (instance.resets > earlier) instance.fatalReset = { error, number: instance.resets };
  }
}

/** The borrow check: whether an idle connection is still there. One that does not answer in time is taken for dead. */
export async function answers(connection: Connection, timeoutMillis: number): Promise<boolean> {
  connection.health.isChecked = true;
  const answer = connection.send(PING).then(() => true);
  const isAlive = (await within(timeoutMillis, answer)) === true;
  if (!isAlive) {
    // It is cut at once: its session is ended in the background.
    connection.driver.destroySocket(connection.raw);
    connection.died(new Error('an idle connection did not answer in time'));
  }
  connection.health.isChecked = false;
  return isAlive;
}
