// What `workerDatabase()` resolves with: the config of a clone, which is made anew and dropped in turn.
import type { Knex } from 'knex';
import { refuse } from '../words/options';
import type { Resettable } from '../words/types';
import type { Kept, Place } from './inheritance';
import type { Keeper } from './keeper';
import { redirect } from './redirect';

/**
 * A database of its own for this process: a clone of the template.
 * @see docs/tests.md#parallel-workers
 */
export interface WorkerDatabase {
  /** The config that was given, with a connection that leads to the clone. */
  readonly config: Knex.Config;
  /** The name of the clone. */
  readonly name: string;
  /**
   * Resets `db`, and makes the clone anew from the template.
   * @example
   * await worker.restore(db);
   * @throws Error when the clone was dropped, also while this waits, and when a later load of the package in this process has it
   */
  restore<K extends Knex = Knex>(db: K & Resettable): Promise<void>;
  /**
   * Drops the clone, after a restore that is under way. Without this call, a later run drops it when this process is gone. One that a later
   * load of the package in this process has stays.
   * @example
   * await db.destroy();
   * await worker.drop();
   */
  drop(): Promise<void>;
}

export const WHERE = 'workerDatabase';

interface Made {
  config: Knex.Config;
  template: string;
  clone: string;
}

export function made({ config, template, clone }: Made, keeper: Keeper, place: Place): WorkerDatabase {
  let dropped: Promise<void> | undefined;
  let isGone = false;
  const checkThere = () => {
    if (isGone) throw new Error(`${WHERE}: ${clone} belongs to a later load of knex-reset in this process`);
    if (dropped) throw new Error(`${WHERE}: ${clone} is dropped`);
  };
  const inTurn = oneAfterTheOther();
  const makeAnew = () => {
    checkThere();
    return keeper.use(async (databases) => {
      await databases.drop(clone);
      await databases.create(clone, template);
    });
  };
  const kept: Kept = {
    clone,
    letGo() {
      isGone = true;
      return inTurn(() => keeper.close());
    },
  };
  const dropForGood = async () => {
    if (isGone) return;
    place.remove(kept);
    await keeper.use((databases) => databases.drop(clone)).finally(() => keeper.close());
  };
  place.put(kept);
  return {
    config: redirect(config, clone),
    name: clone,

    async restore(db) {
      if (typeof (db as Partial<Resettable> | undefined)?.resetConnection !== 'function') {
        refuse(`${WHERE}: restore`, db, 'a resettable Knex instance, made by resettable()');
      }
      checkThere();
      await resetAround(db, `${clone} is made anew`, () => inTurn(makeAnew));
    },

    async drop() {
      await (dropped ??= inTurn(dropForGood));
    },
  };
}

function oneAfterTheOther(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };
}

async function resetAround(db: Resettable, reason: string, work: () => Promise<void>): Promise<void> {
  await db.resetConnection({ reason });
  await work();
  // Queries that were asked meanwhile have connections to the dropped database.
  await db.resetConnection({ reason });
}
