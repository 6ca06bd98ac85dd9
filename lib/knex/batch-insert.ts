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

/** Makes one that was asked of `by`, as knex does it: `insert` asks its argument for the transaction, and for nothing else. */
type Make = (insert: (asking: object) => BatchInsert, by: Context, entry: unknown) => BatchInsert;

/** Each that the instance is asked for from now on is made so. One of a copy is not: its methods are its own. */
function replaceBatchInserts(knex: object, make: Make): void {
  const { context } = knex as { context?: Context };
  const insert = context?.batchInsert;
  if (!context || typeof insert !== 'function') return;
  const replaced = function (this: Context, ...given: unknown[]) {
    return make((asking) => insert.apply(asking as Context, given), this, replaced);
  };
  context.batchInsert = replaced;
}

/** `waited` gets the way to each, and gives what stands for it. */
export function standForBatchInserts(knex: object, waited: (insert: () => BatchInsert) => BatchInsert): void {
  replaceBatchInserts(knex, (insert, by) => waited(() => insert(by)));
}

/** Tells of each. */
export function watchBatchInserts(knex: object, asked: BatchAsked): void {
  replaceBatchInserts(knex, (insert, by, entry) => {
    const inserting = insert({
      transaction: (container: unknown) => {
        batch.begun();
        return by.transaction(container, batch.config);
      },
    });
    const batch = asked(entry);
    const { transacting } = inserting;
    return Object.assign(inserting, {
      transacting(this: BatchInsert, transaction: unknown) {
        batch.begun();
        return transacting.call(this, transaction);
      },
    });
  });
}
