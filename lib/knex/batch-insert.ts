// Knex's `batchInsert()`, which begins its transaction a moment after it was asked.

interface Context {
  transaction(container: unknown, config?: object): unknown;
  batchInsert(...args: unknown[]): BatchInsert;
}

export interface BatchInsert extends Promise<unknown> {
  returning(columns: unknown): unknown;
  transacting(transaction: unknown): unknown;
}

/** That of a handle, by knex's own method. */
export function batchInsertOf(handle: object, given: unknown[]): BatchInsert {
  return (handle as { context: Context }).context.batchInsert(...given);
}

/** One of knex's own handles has the method that it inherits, in place of its own. */
export function inheritBatchInsert(handle: object): void {
  delete (handle as { batchInsert?: unknown }).batchInsert;
}

/** A promise that stands for it, with its methods. */
export function standFor(inserting: BatchInsert, promise: Promise<unknown>): BatchInsert {
  return Object.assign(promise, {
    returning(this: BatchInsert, columns: unknown) {
      inserting.returning(columns);
      return this;
    },
    transacting(this: BatchInsert, transaction: unknown) {
      inserting.transacting(transaction);
      return this;
    },
  }) as BatchInsert;
}

/** What is made of one that was asked by `entry`. */
export interface AskedBatch {
  /** Of its transaction. */
  config: object;
  /** Told when it has begun its transaction, or was given one. */
  begun(): void;
}

export type BatchAsked = (entry: unknown) => AskedBatch;

/** Each that the instance is asked for from now on is made by `made`, which gets the way to knex's own. */
export function replaceBatchInserts(knex: object, made: (insert: () => BatchInsert) => BatchInsert): void {
  const { context } = knex as { context?: Context };
  const insert = context?.batchInsert;
  if (!context || typeof insert !== 'function') return;
  const replaced = function (this: Context, ...given: unknown[]) {
    return made(() => insert.apply(this, given));
  };
  context.batchInsert = replaced;
}

/** Tells of each that the instance is asked for from now on. One of a copy is not told of: its methods are its own. */
export function watchBatchInserts(knex: object, asked: BatchAsked): void {
  const { context } = knex as { context?: Context };
  const insert = context?.batchInsert;
  if (!context || typeof insert !== 'function') return;
  const watched = function (this: Context, ...args: unknown[]) {
    // It asks this for its transaction, and for nothing else.
    const asking = {
      transaction: (container: unknown) => {
        batch.begun();
        return this.transaction(container, batch.config);
      },
    };
    const inserting = insert.apply(asking as Context, args);
    const batch = asked(watched);
    const { transacting } = inserting;
    return Object.assign(inserting, {
      transacting(this: BatchInsert, transaction: unknown) {
        batch.begun();
        return transacting.call(this, transaction);
      },
    });
  };
  context.batchInsert = watched;
}
