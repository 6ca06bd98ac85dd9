// What follows a fatal error: the connection that had it is discarded, and the others with it where one death means many.
import type { Instance } from '../pool/instance';
import type { Session } from '../pool/session';
import { within } from '../waiting';

/** A statement failed. A connection that had a fatal error is not lent again. */
export function afterError(instance: Instance, session: Session, error: unknown): void {
  if (session.refusal !== undefined || !instance.isFatal(error)) return;
  session.fatal ??= error as Error;
  session.doomed = true;
  recover(instance, session, error);
}

/** A connection has died, perhaps while idle. */
export function afterDeath(instance: Instance, session: Session, error: Error): void {
  recover(instance, session, error);
}

/** Once for all connections that were open when the first of them died: the later ones tell nothing new. */
function recover(instance: Instance, session: Session, error: unknown): void {
  const { pool, settings } = instance;
  if (session.epoch !== pool.epoch || session.generation !== pool.generation) return;
  if (settings.onFatal === 'evict') pool.evict();
  if (settings.onFatal === 'reset') {
    const { code, message } = error as { code?: string; message?: string };
    const reason = `fatal error ${code ?? message ?? ''}`.trim();
    // Whoever waits for a checked connection has asked nothing on it: another is as good.
    void instance.reset({ reason, waiting: session.isChecked ? 'requeue' : 'reject' });
  }
}

/**
 * The borrow check: a connection that was idle for longer than `checkIdleMillis` must answer, or it is replaced.
 * Undefined: it may be lent at once, and nothing is sent.
 */
export function check(instance: Instance, session: Session): Promise<boolean> | undefined {
  return needsCheck(instance, session) ? ping(instance, session, instance.settings.checkTimeoutMillis) : undefined;
}

export function needsCheck({ settings }: Instance, session: Session): boolean {
  const { checkIdleMillis } = settings;
  return checkIdleMillis !== undefined && Date.now() - session.idleSince > checkIdleMillis;
}

async function ping(instance: Instance, session: Session, timeoutMillis: number): Promise<boolean> {
  session.isChecked = true;
  const answer = session.send('SELECT 1').then(() => true);
  const isAlive = (await within(timeoutMillis, answer)) === true;
  if (!isAlive) afterDeath(instance, session, new Error('an idle connection did not answer in time'));
  session.isChecked = false;
  return isAlive;
}
