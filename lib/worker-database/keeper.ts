// The connection by which other processes know that this one is alive: its locks on the template and on the clone end with it.
import type { Knex } from 'knex';
import { isMissing, PgDatabases } from '../drivers/pg-databases';
import { openRawConnection } from '../knex/raw-connection';
import { redirectConnection } from './redirect';

/** A database that every server has. */
const FALLBACK = 'postgres';

export class Keeper {
  readonly #config: Knex.Config;
  readonly #locks = new Map<string, 'shared' | 'exclusive'>();
  #databases: PgDatabases | undefined;

  constructor(config: Knex.Config) {
    this.#config = config;
  }

  /** Lets work use the connection, which keeps the process alive only meanwhile. Opens it, with the locks, where it is not open. */
  async use<T>(work: (databases: PgDatabases) => Promise<T>): Promise<T> {
    const databases = this.#databases?.isOpen ? this.#databases : await this.#open();
    databases.wake();
    try {
      return await work(databases);
    } finally {
      databases.rest();
    }
  }

  /** Taken now, and again with each new connection. */
  async hold(name: string, mode: 'shared' | 'exclusive'): Promise<void> {
    await this.use((databases) => databases.lock(name, mode));
    this.#locks.set(name, mode);
  }

  async close(): Promise<void> {
    const databases = this.#databases;
    this.#databases = undefined;
    this.#locks.clear();
    if (databases?.isOpen) await databases.close();
  }

  async #open(): Promise<PgDatabases> {
    const databases = new PgDatabases(await this.#connect());
    this.#databases = databases;
    try {
      await databases.prepare();
      for (const [name, mode] of this.#locks) await databases.lock(name, mode);
      return databases;
    } catch (error) {
      this.#databases = undefined;
      await databases.close();
      throw error;
    }
  }

  async #connect(): Promise<object> {
    const { connection } = this.#config;
    try {
      return await openRawConnection(this.#config, connection);
    } catch (error) {
      // The database of the config may not be there: nobody needs it but for this.
      if (!isMissing(error)) throw error;
      return openRawConnection(this.#config, redirectConnection(connection, FALLBACK));
    }
  }
}
