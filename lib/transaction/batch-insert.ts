// `batchInsert()` in a block. Knex begins it a moment after it was asked: the block waits for it, and fails with it, as with an inner block.
import type { Knex } from 'knex';
import { type BatchInsert, batchInsertOf, standFor } from '../knex/batch-insert';
import type { Enclosing } from './enclosing';
import { asTransaction, transactionOf } from './find-transaction';
import { watchInner } from './inner-block';

/** The method of the handles of blocks. */
export function batchInsertInBlock(this: Knex.Transaction, ...given: unknown[]): BatchInsert {
  return awaitedBy(transactionOf(this), batchInsertOf(this, given));
}

/** One that was asked of an ambient instance: the block around the call waits for it. */
export function awaitedAround(ambient: { current(): unknown }, insert: () => BatchInsert): BatchInsert {
  const around = asTransaction(ambient.current());
  return around?.block ? awaitedBy(around, insert()) : insert();
}

function awaitedBy(block: Enclosing | undefined, inserting: BatchInsert): BatchInsert {
  const leave = block?.work.enter();
  if (leave) inserting.then(leave, leave);
  return standFor(
    inserting,
    watchInner(inserting, () => block, 'a batch insert in'),
  );
}
