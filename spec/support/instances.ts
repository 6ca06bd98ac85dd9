// The instances that a spec has made, and their end, whatever a test has left open in them.
import type { Knex } from 'knex';
import { type Resettable, resettable, type ResettableOptions } from '../../lib';

export type ResettableKnex = Knex & Resettable;

export class Instances {
  readonly #plain = new Set<Knex>();
  readonly #resettable = new Set<ResettableKnex>();

  plain(db: Knex): Knex {
    this.#plain.add(db);
    return db;
  }

  /** Makes one of them resettable. */
  resettable(db: Knex, options?: ResettableOptions): ResettableKnex {
    return this.adopt(resettable(db, options));
  }

  /** Sees to the end of an instance that was made elsewhere. */
  adopt(db: ResettableKnex): ResettableKnex {
    this.#plain.delete(db);
    this.#resettable.add(db);
    return db;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#resettable].map((db) => end(db)));
    // A spec may have made one of these resettable by itself.
    await Promise.all(
      [...this.#plain].map((db) => ('resetConnection' in db ? end(db as ResettableKnex) : db.destroy())),
    );
    this.#resettable.clear();
    this.#plain.clear();
  }
}

async function end(db: ResettableKnex): Promise<void> {
  // A test may leave a transaction open, for which destroy() alone would wait.
  await db.resetConnection({ reason: 'the test is over', timeoutMillis: 500 });
  await db.destroy();
}
