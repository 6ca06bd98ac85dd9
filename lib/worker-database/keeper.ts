// The connection by which other processes know that this one is alive: its locks on the template and on the clone end with it.
import { setTimeout } from 'node:timers';
import type { Knex } from 'knex';
import { isMissing, type LockMode, PgDatabases } from '../drivers/pg/databases';
import { openRawConnection } from '../knex/raw-connection';
import { inBackground } from '../words/foreign';
import { checkedConnection, redirectConnection } from './redirect';

/** A database that every server has. */
const FALLBACK = 'postgres';
/** How often, and after which pause, a connection that was lost is opened again. */
const TRIES = 50;
const PAUSE_MILLIS = 100;

export class Keeper {
  readonly #config: Knex.Config;
  readonly #locks = new Map<string, LockMode>();
  #opening: Promise<PgDatabases> | undefined;
  #uses = 0;
  #isClosed = false;

  constructor(config: Knex.Config) {
    this.#config = config;
  }

  /** Lets work use the connection, which keeps the process alive only meanwhile. Once it is closed it is not opened again. */
  async use<T>(work: (databases: PgDatabases) => Promise<T>): Promise<T> {
    this.#checkOpen();
    this.#opening ??= this.#open();
    const databases = await this.#opening;
    this.#checkOpen();
    if (this.#uses++ === 0) databases.wake();
    try {
      return await work(databases);
    } finally {
      if (--this.#uses === 0) databases.rest();
    }
  }

  /** Takes a lock now, and again with each new connection. */
  async hold(name: string, mode: LockMode): Promise<void> {
    await this.use((databases) => databases.lock(name, mode));
    this.#locks.set(name, mode);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const databases = await this.#opening?.catch(() => undefined);
    if (databases?.isOpen) await databases.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error('the connection to the databases of the workers is closed');
  }

  async #open(): Promise<PgDatabases> {
    try {
      const databases = new PgDatabases(await this.#connect());
      databases.onEnd(() => this.#lost());
      await databases.prepare().catch((error: unknown) => abandon(databases, error));
      for (const [name, mode] of this.#locks) await databases.lock(name, mode);
      return databases;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** Without this lock, the next process would drop the clone. */
  #lost(): void {
    this.#opening = undefined;
    if (!this.#isClosed && this.#locks.size > 0) inBackground(this.#reopen());
  }

  async #reopen(): Promise<void> {
    for (let left = TRIES; left > 0 && !this.#isClosed; left--) {
      try {
        return await this.use(async () => {});
      } catch {
        await new Promise<void>((resolve) => void setTimeout(resolve, PAUSE_MILLIS).unref());
      }
    }
  }

  async #connect(): Promise<object> {
    const { connection } = this.#config;
    try {
      return await openRawConnection(this.#config, checkedConnection(connection));
    } catch (error) {
      // The database of the config may not exist: it is needed only for this connection.
      if (!isMissing(error)) throw error;
      return openRawConnection(this.#config, redirectConnection(connection, FALLBACK));
    }
  }
}

async function abandon(databases: PgDatabases, error: unknown): Promise<never> {
  await databases.close();
  throw error;
}
