// `trx.batchInsert()` in a block. Knex begins it a moment after it was asked: the block waits for it, and fails with it, as with an inner block.
import type { Knex } from 'knex';
import { type BatchInsert, standFor } from '../knex/batch-insert';
import { transactionOf } from './find-transaction';
import { watchInner } from './inner-block';

type Insert = (this: Knex.Transaction, ...given: unknown[]) => BatchInsert;

/** Knex's method, for the handles of blocks. */
export function awaitedByBlock(insert: Insert): Insert {
  return function batchInsert(...given) {
    const inserting = insert.apply(this, given);
    const leave = transactionOf(this)?.work.enter();
    if (leave) inserting.then(leave, leave);
    return standFor(
      inserting,
      watchInner(inserting, () => transactionOf(this), 'a batch insert in'),
    );
  };
}
