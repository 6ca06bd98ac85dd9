// Watches the connections of an instance: which may be lent, and what follows an error or a death. If one death means that others are dead too,
// they are closed with it.
import type { Lendable } from '../connection/lendable';
import { PING } from '../drivers/sql';
import type { ConnectionWatch } from '../pool/pool-host';
import type { Resets } from '../pool/resets';
import { inBackground, isA, read, textOf, warn } from '../words/foreign';
import { type Settings, refuse } from '../words/options';
import type { ResetOptions } from '../words/types';
import { within } from '../words/waiting';
import type { RightServer } from './right-server';
import { isFatal } from '../drivers/fatal-errors';

/** What recovery needs from the rest of its instance. */
export interface RecoveryHost {
  readonly settings: Settings;
  readonly resets: Resets;
  readonly pool: { readonly register: { isCurrent(connection: Lendable): boolean }; evict(): Promise<void> };
  /** What knex does with a connection before it is first lent. Undefined: nothing. */
  prepare(raw: object): Promise<unknown> | undefined;
  reset(options: ResetOptions): Promise<unknown>;
}

export class Recovery implements ConnectionWatch {
  readonly checkIdleMillis: number | undefined;
  readonly #instance: RecoveryHost;
  readonly #rightServer: RightServer;

  constructor(instance: RecoveryHost, rightServer: RightServer) {
    this.checkIdleMillis = instance.settings.checkIdleMillis;
    this.#instance = instance;
    this.#rightServer = rightServer;
  }

  /** Not every server will do. */
  get isPicky(): boolean {
    return this.#rightServer.isPicky;
  }

  isFatal(error: unknown): boolean {
    return judge(error, this.#instance.settings, this.#rightServer.isRefusal(error));
  }

  opened(connection: Lendable): Promise<unknown> | undefined {
    return this.#rightServer.opened(connection, this.#instance.prepare(connection.raw));
  }

  /** The borrow check. One that does not answer in time is taken for dead. */
  async answers(connection: Lendable): Promise<boolean> {
    connection.health.isChecked = true;
    const answer = connection.send(PING).then(() => true);
    const isAlive = (await within(this.#instance.settings.checkTimeoutMillis, answer)) === true;
    if (!isAlive) {
      // It is cut at once: its session is ended in the background.
      connection.driver.destroySocket(connection.raw);
      connection.died(new Error('an idle connection did not answer in time'));
    }
    connection.health.isChecked = false;
    return isAlive;
  }

  /** A connection that had a fatal error is not lent again. */
  onError(connection: Lendable, given: unknown): void {
    const error = this.#rightServer.seen(connection, given);
    if (connection.refusal !== undefined || !this.isFatal(error)) return;
    connection.health.doubt(error as Error);
    this.#recover(connection, error);
  }

  onDeath(connection: Lendable, error: Error): void {
    this.#recover(connection, error);
  }

  /** Once for all connections that were open when the first of them died: the later ones tell nothing new. */
  #recover(connection: Lendable, error: unknown): void {
    const { pool, resets, settings } = this.#instance;
    if (!pool.register.isCurrent(connection)) return;
    if (settings.onFatal === 'evict') inBackground(pool.evict());
    if (settings.onFatal === 'reset') {
      const reason = `fatal error ${textOf(read(error, 'code') ?? read(error, 'message') ?? '')}`.trim();
      // An acquire that waits for a checked connection has asked nothing on it: another one is as good.
      const waiting = connection.health.isChecked ? 'requeue' : 'reject';
      resets.makeFor(error, () => inBackground(this.#instance.reset({ reason, waiting })));
    }
  }
}

/** The built-in verdict, or the user's. One that throws, or says neither true nor false, is reported as a warning and has no say. */
function judge(error: unknown, { isFatal: override }: Pick<Settings, 'isFatal'>, isWrongServer: boolean): boolean {
  const standard = isWrongServer || isFatal(error);
  // A transaction that is rolled back without an error has none to judge.
  if (!override || error === undefined) return standard;
  try {
    const verdict: unknown = override(error, standard);
    if (typeof verdict === 'boolean') return verdict;
    // What an async function rejects with would otherwise end the process.
    inBackground(Promise.resolve(verdict).then(() => {}));
    refuse('resettable: isFatal', verdict, 'it to return true or false');
  } catch (thrown) {
    warn(isA(thrown, Error) ? thrown : new Error(`isFatal threw ${textOf(thrown)}`));
  }
  return standard;
}
